"""Many words that wait for one client: they go out together, and not again and again to one that has gone."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from service.vision.answering import Answering
from service.vision.conversation import Job
from service.vision.engine.mailbox import Event, Mailbox
from service.vision.engine.protocol import Done, JobFailed, Text
from service.vision.entry import Entry
from service.vision.metrics import Metrics
from service.vision.reply import Piece
from tests.service.vision.running import Running, question
from tests.service.vision.scripted import ScriptedEngine

WARNING = "socket.send() raised exception."
"""asyncio's, at the fifth write to a socket that has failed, before it could tell so."""
CROWD = [Text(f"w{number} ", number) for number in range(2, 200)]
FAILURE = JobFailed("no memory", "out_of_memory", again=False)


class CrowdedEngine(ScriptedEngine):
    """Tells by a mailbox, as the real ones do, so that words can pile up in it."""

    loop: asyncio.AbstractEventLoop
    mailbox: Mailbox
    left = False

    async def submit(self, job: Job) -> Mailbox:  # type: ignore[override]
        self.loop, self.mailbox = asyncio.get_running_loop(), Mailbox(self._leave)
        self.mailbox.take(Text("w1 ", 1))
        return self.mailbox

    def _leave(self) -> None:
        self.left = True

    def tell(self, events: list[Event]) -> None:
        for event in events:
            self.mailbox.take(event)


@pytest.fixture
def engine() -> CrowdedEngine:
    return CrowdedEngine()


@pytest.fixture
def running(tmp_path: Path, engine: CrowdedEngine) -> Iterator[Running]:
    running = Running(tmp_path, engine).start()
    yield running
    running.stop()


def asked(running: Running, **changes: Any) -> tuple[socket.socket, bytes]:
    """A client that has read the first word, and what it read."""
    client = running.send(json.dumps({**question(), "stream": True, **changes}).encode())
    client.settimeout(20)
    seen = b""
    while b"w1 " not in seen:
        seen += client.recv(65536)
    return client, seen


def go(running: Running, engine: CrowdedEngine, meanwhile: Callable[[], None], **changes: Any) -> None:
    """A client leaves; `meanwhile` is done before the event loop can notice. Returns when its line is there."""
    client, _ = asked(running, **changes)

    def leave() -> None:
        client.close()
        meanwhile()

    engine.loop.call_soon_threadsafe(leave)
    [line] = running.lines(1)
    assert line["status"] == 499
    assert engine.left
    assert running.serving.admission.inside == 0


@pytest.mark.parametrize("end", [[], [Done("stop", 200)], [FAILURE]])
def test_a_client_that_has_gone(
    running: Running, engine: CrowdedEngine, caplog: pytest.LogCaptureFixture, end: list[Event]
) -> None:
    go(running, engine, lambda: engine.tell([*CROWD, *end]), stream_options={"include_usage": True})
    assert WARNING not in caplog.text


def test_a_write_for_each_word_would_be_seen(
    running: Running, engine: CrowdedEngine, caplog: pytest.LogCaptureFixture
) -> None:
    """The control."""

    def write() -> None:
        [connection] = running.server.server_state.connections
        for _ in CROWD:
            connection.transport.write(b"word")

    go(running, engine, write)
    assert WARNING in caplog.text


def test_a_line_that_waits_for_the_disk_is_written_though_its_client_leaves(
    running: Running, engine: CrowdedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    append_all, waiting, go_on = running.serving.auditor._ledger.append_all, threading.Semaphore(0), threading.Event()

    def slow(lines: Sequence[dict[str, Any]]) -> None:
        if lines[0]["event"] == "request":
            waiting.release()
            assert go_on.wait(20)
        append_all(lines)

    monkeypatch.setattr(running.serving.auditor._ledger, "append_all", slow)
    clients = []
    for client, seen, mailbox in [(*asked(running), engine.mailbox) for _ in range(2)]:
        engine.loop.call_soon_threadsafe(mailbox.take, Done("stop", 1))
        while b'"finish_reason":"stop"' not in seen:
            seen += client.recv(65536)
        clients.append(client)
    assert waiting.acquire(timeout=20), "the first line is being written, and the second one waits behind it"
    time.sleep(0.1)
    clients[1].close()
    time.sleep(0.1)
    go_on.set()
    assert [line["status"] for line in running.lines(2)] == [200, 200]
    clients[0].close()


def test_no_comment_is_waiting_behind_a_piece_that_a_slow_reader_has_not_taken() -> None:
    """It would give the reader so much longer, and hide what happens to the other choices meanwhile."""
    taken: list[Sequence[Piece | Done]] = []

    async def slow(index: int, items: Sequence[Piece | Done]) -> None:
        taken.append(items)
        if items and isinstance(items[0], Piece):
            await asyncio.sleep(1)

    async def whole() -> None:
        mailbox = Mailbox(lambda: None)
        line = Entry("request-1", None, None, None, "POST")
        answering = Answering("id", "micro", [mailbox], (), line, Metrics("micro", "none"))
        mailbox.take(Text("word", 1))
        asyncio.get_running_loop().call_later(2, mailbox.take, Done("stop", 1))
        await answering.read(slow, silence=0.05)

    asyncio.run(whole())
    (word, *comments, end) = taken
    assert (len(word), len(end)) == (1, 1)
    assert comments, "between the word and the end it was silent"
    assert len(comments) <= 20, "of forty for the whole time none was for the first half"


@pytest.mark.parametrize("end", [Done("stop", 200), FAILURE])
@pytest.mark.parametrize("stop", [None, "never said"])
def test_what_waits_is_one_chunk(running: Running, engine: CrowdedEngine, end: Event, stop: str | None) -> None:
    client, seen = asked(running, stop=stop)
    with client:
        engine.loop.call_soon_threadsafe(engine.tell, [*CROWD, end])
        while not seen.endswith(b"0\r\n\r\n"):
            seen += client.recv(65536)
    chunks = [chunk for chunk in seen.split(b"\r\n") if b'"content":"w' in chunk]
    assert len(chunks) == 2, "the first word, and all the others"
    data = [line for chunk in chunks for line in chunk.split(b"\n\n") if line]
    said = [json.loads(line.removeprefix(b"data: "))["choices"][0]["delta"].get("content", "") for line in data]
    assert "".join(said) == "w1 " + "".join(word.text for word in CROWD)
    assert (b"out_of_memory" in seen) == (end is FAILURE)
    assert (b"[DONE]" in seen) == (end is not FAILURE)
