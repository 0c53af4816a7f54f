"""A service in this process, to be looked into: its event loop, its tasks, its rows."""

import asyncio
import gc
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from service.vision.application import create
from service.vision.configuration import Configuration
from service.vision.conversation import Job
from service.vision.engine.choices import Choices
from service.vision.engine.separate import SeparateEngine
from service.vision.server import Server
from tests.bench.vision.serving import resident

_LOOK = 0.002


class Inside:
    """`with Inside(model, folder) as inside:` it is ready; clients are elsewhere."""

    def __init__(self, model: Path, folder: Path) -> None:
        self.socket = folder / "inside.sock"
        self.engine = SeparateEngine(Choices(model, "cpu", "fp32", 8192, 64, 1_300_000, 16, 400_000))
        given: dict[str, Any] = {"model": model, "model_name": "micro", "device": "cpu", "precision": "fp32"}
        places = {"socket": self.socket, "audit_log": folder / "inside.jsonl"}
        configuration = Configuration(**given, **places, queue=2000, max_new_tokens=64, drain_seconds=5)
        app, self.serving = create(configuration, self.engine)
        self._server = Server(app, self.serving)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        async def serve() -> None:
            self._loop = asyncio.get_running_loop()
            await self._server.serve()

        asyncio.run(serve())

    def __enter__(self) -> "Inside":
        gc.collect()
        gc.freeze()  # As the service's own process does.
        self._thread.start()
        end = time.monotonic() + 120
        while self.engine.health().state != "ready":
            if time.monotonic() > end or self.serving.failure:
                raise TimeoutError(self.serving.failure or "the service was not ready within two minutes")
            time.sleep(0.05)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.should_exit = True
        self._thread.join(20)

    @contextmanager
    def watched(self) -> Iterator[list[float]]:
        """How many seconds late the event loop came to each of many moments that it was asked to come to."""
        lags = [0.0]

        async def watch() -> None:
            loop = asyncio.get_running_loop()
            while True:
                due = loop.time() + _LOOK
                await asyncio.sleep(_LOOK)
                lags.append(loop.time() - due)

        assert self._loop
        watching = asyncio.run_coroutine_threadsafe(watch(), self._loop)
        yield lags
        watching.cancel()

    def asked(self, jobs: Sequence[Job]) -> list[float]:
        """Seconds that the engine itself takes for each of them, one after the other, on the service's own loop."""

        async def ask() -> list[float]:
            seconds = []
            for job in jobs:
                began = time.perf_counter()
                async for _ in await self.engine.submit(job):
                    pass
                seconds.append(time.perf_counter() - began)
            return seconds

        assert self._loop
        return asyncio.run_coroutine_threadsafe(ask(), self._loop).result()

    @property
    def resident(self) -> int:
        """Bytes in memory of this process and of the engine's."""
        return resident(os.getpid())

    def held(self) -> dict[str, int]:
        """What nobody holds when nobody asks."""
        assert self._loop
        load = self.engine.load()
        return {
            "rows": load.running,
            "waiting": load.waiting,
            "places": self.serving.admission.inside,
            "tasks": len(asyncio.all_tasks(self._loop)),
            "files": len(os.listdir("/proc/self/fd")),
            "threads": threading.active_count(),
        }
