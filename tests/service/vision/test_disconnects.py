"""Clients that go away or do not read, at any moment: nothing of theirs stays, and the others notice nothing."""

from __future__ import annotations

import asyncio
import json
import random
import socket
import threading
import time
from pathlib import Path

import pytest

from service.vision.conversation import Job
from tests.service.descriptors import held
from tests.service.vision.running import IDENTITY, Running, part, picture, question, user
from tests.service.vision.scripted import ScriptedEngine, ScriptedGeneration

pytestmark = pytest.mark.long


class SlowEngine(ScriptedEngine):
    """Takes its time to take a job, as a prompt takes time to be written; tells in which loop."""

    loop: asyncio.AbstractEventLoop
    begun = 0

    async def submit(self, job: Job) -> ScriptedGeneration:
        self.loop = asyncio.get_running_loop()
        self.begun += 1
        await asyncio.sleep(0.01)
        return await super().submit(job)


def request(stream: bool) -> bytes:
    """With a picture that takes a few milliseconds to decode."""
    asked = {**question(), "messages": [user(part(picture(size=(900, 900))), "?")], "stream": stream}
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
    """Tasks of the service's loop, threads and open files of this process."""
    tasks = asyncio.run_coroutine_threadsafe(_tasks(), engine.loop).result(5)
    return {*tasks, *threading.enumerate(), *held()}


async def _tasks() -> set[asyncio.Task[object]]:
    return asyncio.all_tasks() - {task for task in (asyncio.current_task(),) if task}


def left(running: Running, engine: SlowEngine, before: set[object]) -> set[object]:
    """What was not there before: nothing, or what is still there after a while."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if running.serving.admission.inside == 0 and not present(engine) - before:
            break
        time.sleep(0.05)
    return present(engine) - before


def test_200_clients_that_leave_at_random_moments(tmp_path: Path) -> None:
    """Before the body is sent, within it, while it is decoded, before the first word, between words, after all."""
    engine = SlowEngine(script=["It", *(0.005, " is") * 6])
    running = Running(tmp_path, engine, queue=300).start()
    chance = random.Random(7)
    try:
        assert running.ask().status_code == 200
        requests = {stream: request(stream) for stream in (False, True)}
        running.ask(messages=[user(*[part(picture(size=(900, 900)))] * 8)])  # The pools have their threads now.
        before = present(engine)
        for number in range(200):
            whole = requests[number % 2 == 0]
            with connected(running) as connection:
                connection.sendall(whole[: chance.choice((50, len(whole) // 2, *[len(whole)] * 6))])
                time.sleep(chance.random() * 0.03)
        assert not left(running, engine, before)
        assert running.serving.admission.inside == 0
        assert all(one.cancelled for one in engine.generations)
        reached = [one.said for one in engine.generations]
        assert len(reached) < engine.begun < 200, "some left while the engine took the job, some before"
        assert any(0 < said < 7 for said in reached), "some left between words"
        assert running.ask().json()["choices"][0]["message"]["content"] == "It" + " is" * 6
        assert {line["status"] for line in running.lines(len(running._log()))} <= {200, 499}
    finally:
        running.stop()


def test_readers_that_do_not_read_hold_up_nobody(tmp_path: Path) -> None:
    engine = ScriptedEngine(script=["x" * 100_000] * 100)
    running = Running(tmp_path, engine, send_seconds=2.0).start()
    slow = [connected(running) for _ in range(3)]
    try:
        for connection in slow:
            connection.sendall(request(True))
        deadline = time.monotonic() + 10
        while sum(bool(one.said) for one in engine.generations) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        stuck, engine.script = list(engine.generations), ["It is red."]
        began = time.monotonic()
        assert {running.ask(stream=True).status_code for _ in range(5)} == {200}
        took = time.monotonic() - began
        assert took < 2, "as long as the slow ones were waited for"
        while running.serving.admission.inside and time.monotonic() < deadline:
            time.sleep(0.01)
        assert running.serving.admission.inside == 0
        assert all(one.cancelled and one.said < 100 for one in stuck)
    finally:
        for connection in slow:
            connection.close()
        running.stop()
