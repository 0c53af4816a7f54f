"""Clients that go away or do not read, at any moment: nothing of theirs stays, and the others notice nothing."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
import time
from functools import partial
from itertools import takewhile
from pathlib import Path

import pytest

from service.vision.conversation import Job
from tests.service.descriptors import held
from tests.service.vision.running import IDENTITY, Running, part, picture, question, until, user
from tests.service.vision.scripted import Say, ScriptedEngine, ScriptedGeneration

pytestmark = pytest.mark.long

PICTURE = part(picture(size=(900, 900)))

PART = {"before the body": 0.0, "within the body": 0.5}
"""Of the body that is sent by who leaves then."""
FOR_EVER = 600.0
SCRIPTS: dict[str, list[Say]] = {
    "before the first word": [FOR_EVER, "It"],
    "between words": ["It", " is", FOR_EVER, " is"],
    "after all": ["It", " is"],
}
MOMENTS = (*PART, *["at any moment"] * 3, "while the engine takes it", *SCRIPTS)


class SlowEngine(ScriptedEngine):
    """Takes its time to take a job, as a prompt takes time to be written; tells in which loop.

    A question's last word is its number, the others are when it will be left: it comes that far and no further.
    """

    loop: asyncio.AbstractEventLoop

    def __init__(self) -> None:
        super().__init__(script=["It", *(0.005, " is") * 6])
        self.begun: set[str] = set()
        self.taken: dict[str, ScriptedGeneration] = {}

    async def submit(self, job: Job) -> ScriptedGeneration:
        self.loop = asyncio.get_running_loop()
        asked = job.turns[-1].texts[-1]
        moment = asked.rpartition(" ")[0]
        self.begun.add(asked)
        await asyncio.sleep(FOR_EVER if moment == "while the engine takes it" else 0.01)
        generation = await super().submit(job)
        generation.script = SCRIPTS.get(moment, self.script)
        self.taken[asked] = generation
        return generation

    def there(self, moment: str, asked: str) -> bool:
        """Is it as far as it comes?"""
        if moment not in SCRIPTS:
            return asked in self.begun
        words = sum(isinstance(one, str) for one in takewhile(lambda one: one != FOR_EVER, SCRIPTS[moment]))
        return asked in self.taken and self.taken[asked].said == words


def request(stream: bool, text: str = "?") -> bytes:
    """With a picture that takes a few milliseconds to decode."""
    asked = {**question(), "messages": [user(PICTURE, text)], "stream": stream}
    body = json.dumps(asked).encode()
    headers = "".join(f"{name}: {value}\r\n" for name, value in IDENTITY.items())
    head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: v\r\n{headers}content-length: {len(body)}\r\n\r\n"
    return head.encode() + body


def connected(running: Running) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(str(running.configuration.socket))
    return connection


def present(engine: SlowEngine) -> set[object]:
    """Tasks of the service's loop, threads and open files of this process; the pool that decodes has its bounds."""
    tasks = asyncio.run_coroutine_threadsafe(_tasks(), engine.loop).result(20)
    return {*tasks, *(one for one in threading.enumerate() if not one.name.startswith("decode")), *held()}


async def _tasks() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {task for task in (asyncio.current_task(),) if task}


def left(running: Running, engine: SlowEngine, before: set[object]) -> set[object]:
    """What was not there before: nothing, or what is still there after a while."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if running.serving.admission.inside == 0 and not present(engine) - before:
            break
        time.sleep(0.05)
    return present(engine) - before


def test_200_clients_that_leave_at_random_moments(tmp_path: Path) -> None:
    """Some as far as they come, others whenever that is: while the picture is decoded, for example."""
    engine = SlowEngine()
    running = Running(tmp_path, engine, queue=300).start()
    chance = random.Random(7)
    try:
        assert running.ask().status_code == 200
        before = present(engine)
        for number in range(200):
            moment = MOMENTS[number] if number < len(MOMENTS) else chance.choice(MOMENTS)
            whole = request(number % 2 == 0, asked := f"{moment} {number}")
            with connected(running) as connection:
                connection.sendall(whole[: max(50, int(len(whole) * PART.get(moment, 1)))])
                if moment in PART or moment == "at any moment":
                    time.sleep(chance.random() * 0.03)
                else:
                    until(partial(engine.there, moment, asked), 20)
        assert not left(running, engine, before)
        assert running.serving.admission.inside == 0
        assert all(one.cancelled for one in engine.generations)
        assert len(engine.generations) < len(engine.begun) < 200, "some left while the engine took the job, some before"
        assert running.ask().json()["choices"][0]["message"]["content"] == "It" + " is" * 6
        closed = [line for line in running.every() if line["event"] == "request"]
        assert {line["status"] for line in closed} <= {200, 499}
        assert {line["request"] for line in running.every()} == {line["request"] for line in closed}
    finally:
        running.stop()


def test_readers_that_do_not_read_hold_up_nobody(tmp_path: Path) -> None:
    engine = ScriptedEngine(script=["x" * 100_000] * 100)
    running = Running(tmp_path, engine, send_seconds=8.0).start()
    slow = [connected(running) for _ in range(3)]
    try:
        for connection in slow:
            connection.sendall(request(True))
        until(lambda: sum(bool(one.said) for one in engine.generations) == 3, 20)
        stuck, engine.script = list(engine.generations), ["It is red."]
        assert {running.ask(stream=True).status_code for _ in range(5)} == {200}
        assert not any(one.cancelled for one in stuck), "the slow ones are still waited for"
        until(lambda: running.serving.admission.inside == 0, 20)
        assert all(one.cancelled and one.said < 100 for one in stuck)
    finally:
        for connection in slow:
            connection.close()
        running.stop()
