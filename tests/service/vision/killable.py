"""A service that a test kills: `python killable.py DIRECTORY [late]`.

For each line on stdin it starts one by fork, prints its pid once it listens, and prints how it ended. `late` is the
control experiment: the same service, but a line is written after its answer has gone out.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from pathlib import Path

from PIL import Image
from starlette.types import Message

from service.vision import trail
from service.vision.application import create
from service.vision.configuration import Configuration
from service.vision.server import Server
from tests.service.vision.scripted import ScriptedEngine


class Late(trail._Exit):
    """Answers first."""

    async def send(self, message: Message) -> None:
        writes_none, self._writes_none = self._writes_none, True
        await super().send(message)
        self._writes_none = writes_none
        if message["type"] == "http.response.body" and not message.get("more_body"):
            await asyncio.sleep(0.03)
            await self._settle()


def serve(directory: Path) -> None:
    places = {"model": directory, "socket": directory / "vision.sock", "audit_log": directory / "audit.jsonl"}
    app, serving = create(
        Configuration(**places, model_name="micro"), ScriptedEngine(script=["It", 0.01, " is", 0.01, " red."])
    )
    Server(app, serving).run()


def listening(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        return connection.connect_ex(str(path)) == 0


def main() -> None:
    directory = Path(sys.argv[1])
    Image.preinit()  # Once for all of them.
    if sys.argv[2:] == ["late"]:
        trail._Exit = Late  # type: ignore[misc]
    for _ in sys.stdin:
        (directory / "vision.sock").unlink(missing_ok=True)
        pid = os.fork()
        if pid == 0:
            try:
                serve(directory)
            finally:
                os._exit(0)
        while not listening(directory / "vision.sock"):
            time.sleep(0.002)
        print(pid, flush=True)
        print(os.waitpid(pid, 0)[1], flush=True)


if __name__ == "__main__":
    main()
