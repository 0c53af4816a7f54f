"""Lines that wait while others are being written go to the disk together, and none of them answers for another."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.ledger import Ledger, LedgerError, verify
from service.vision import audit
from service.vision.audit import Auditor, AuditUnavailable
from service.vision.entry import Entry
from tests.service.vision.running import Running
from tests.service.vision.scripted import ScriptedEngine

NAMES = ["alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"]
Lines = Sequence[dict[str, Any]]


class Written:
    """Lines of all of NAMES: the first is in hand, and the others wait, when the disk begins to answer.

    `take` is asked about each group before it is written, and may raise.
    """

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, take: Callable[[Lines], object]) -> None:
        self.auditor = Auditor(Running(directory, ScriptedEngine()).configuration)
        self.groups: list[int] = []
        self._answers = threading.Event()
        self._take, self._append_all = take, Ledger.append_all
        monkeypatch.setattr(Ledger, "append_all", lambda ledger, lines: self._written(ledger, lines))
        self.found = dict(zip(NAMES, asyncio.run(self._all()), strict=True))
        monkeypatch.undo()

    def principals(self) -> list[str]:
        log = self.auditor._ledger.path
        assert not verify(log).findings
        return [json.loads(line)["principal"] for line in log.read_text().splitlines()]

    def _written(self, ledger: Ledger, lines: Lines) -> range:
        assert self._answers.wait(20)
        self.groups.append(len(lines))
        self._take(lines)
        return self._append_all(ledger, lines)

    async def _all(self) -> list[BaseException | None]:
        first, *others = [Entry(name, name, None, None, "POST") for name in NAMES]
        writing = [asyncio.create_task(self.auditor.write(first, 200))]
        while not first.ended.in_hand:
            await asyncio.sleep(0.001)
        writing += [asyncio.create_task(self.auditor.write(one, 200)) for one in others]
        while self.auditor._open is None or len(self.auditor._open.lines) < len(others):
            await asyncio.sleep(0.001)
        self._answers.set()
        return await asyncio.gather(*writing, return_exceptions=True)


def test_what_waits_goes_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = Written(tmp_path, monkeypatch, lambda _: None)
    assert set(written.found.values()) == {None}
    assert written.groups == [1, 7]
    assert written.principals() == NAMES


def test_one_that_cannot_be_written_takes_no_other_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def without_dave(lines: Lines) -> None:
        if any(fields.get("principal") == "dave" for fields in lines):
            raise LedgerError("the line has too many bytes")

    written = Written(tmp_path, monkeypatch, without_dave)
    assert isinstance(written.found.pop("dave"), AuditUnavailable)
    assert set(written.found.values()) == {None}
    assert written.principals() == [name for name in NAMES if name != "dave"]
    assert (written.auditor.lost, written.auditor.failures) == (1, 1)


def test_a_full_disk_refuses_all_of_them_and_counts_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Lines) -> None:
        raise LedgerError("disk full")

    written = Written(tmp_path, monkeypatch, full)
    assert {type(one) for one in written.found.values()} == {AuditUnavailable}
    assert (written.auditor.lost, written.auditor.failures) == (8, 8)


@pytest.mark.long
@settings(max_examples=60)
@given(
    disk=st.lists(st.sampled_from(["takes", "refuses", "hangs", "hangs and refuses"]), max_size=12),
    requests=st.lists(
        st.tuples(st.sampled_from(["whole", "streamed", "left"]), st.integers(0, 30)), min_size=1, max_size=12
    ),
    audit_full=st.sampled_from(["refuse", "continue"]),
)
def test_whatever_the_disk_does_each_request_has_its_line_or_is_counted(
    tmp_path_factory: pytest.TempPathFactory,
    disk: list[str],
    requests: list[tuple[str, int]],
    audit_full: Literal["refuse", "continue"],
) -> None:
    """`disk`: what becomes of one write after the other; the requests come so many milliseconds after the first."""
    folder = tmp_path_factory.mktemp("log")
    auditor = Auditor(Running(folder, ScriptedEngine(), audit_full=audit_full).configuration)
    append_all, left = Ledger.append_all, iter(disk)

    def some(ledger: Ledger, lines: Lines) -> range:
        does = next(left, "takes")
        if "hangs" in does:
            time.sleep(0.03)
        if "refuses" in does:
            raise LedgerError("disk full")
        return append_all(ledger, lines)

    async def request(number: int, kind: str, after: int) -> bool:
        await asyncio.sleep(after / 1000)
        entry = Entry(f"request-{number}", None, None, None, "POST")
        beginning = asyncio.create_task(auditor.begin(entry)) if kind != "whole" else None
        try:
            if beginning and kind == "left":  # Its client goes while the begun line is on its way.
                await asyncio.sleep(0)
            elif beginning:
                await beginning
            await auditor.write(entry, 200)
        except AuditUnavailable:
            if not entry.ended.given_up:  # It was refused at its beginning, which is an end that is told too.
                with contextlib.suppress(AuditUnavailable):
                    await auditor.write(entry, 503)
            return False
        finally:
            if beginning:
                await asyncio.wait({beginning})
                beginning.exception()
        return True

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*(request(number, *one) for number, one in enumerate(requests)))

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Ledger, "append_all", some)
        patched.setattr(audit, "PATIENCE", 0.015)
        answered = asyncio.run(all_of_them())
        auditor._thread.shutdown()  # What was late is written by now.
    auditor._tell_of_gap()
    assert not verify(auditor._ledger.path).findings
    lines = [json.loads(line) for line in auditor._ledger.path.read_text().splitlines()]
    closed = [line["request"] for line in lines if line["event"] == "request"]
    begun = [line["request"] for line in lines if line["event"] == "begun"]
    assert (len(closed), len(begun)) == (len(set(closed)), len(set(begun)))
    if audit_full == "refuse":
        assert {f"request-{number}" for number, well in enumerate(answered) if well} <= {*closed}
    assert len(requests) == len(closed) + auditor.lost
    gaps = [line for line in lines if line["event"] == "gap"]
    assert sum(line["lost"] for line in gaps) == auditor.lost
    assert sum(line["begun"] for line in gaps) == len({*begun} - {*closed})


def test_a_fault_of_ours_is_one_line_s_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nobody waits for ever, and nobody is answered without a line."""

    def faulty(lines: Lines) -> None:
        if any(fields.get("principal") == "dave" for fields in lines):
            raise ZeroDivisionError

    written = Written(tmp_path, monkeypatch, faulty)
    assert isinstance(written.found.pop("dave"), AuditUnavailable)
    assert set(written.found.values()) == {None}
    assert (written.auditor.lost, written.auditor.failures) == (1, 1)
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_where_no_thread_can_be_started_nobody_is_answered_without_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auditor = Auditor(Running(tmp_path, ScriptedEngine()).configuration)

    def none(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async def write(name: str) -> None:
        await auditor.write(Entry(name, None, None, None, "POST"), 200)

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none)
        with pytest.raises(AuditUnavailable):
            asyncio.run(write("first"))
    assert (auditor.lost, auditor.failures) == (1, 1)
    asyncio.run(write("second"))
    lines = [json.loads(line) for line in auditor._ledger.path.read_text().splitlines()]
    assert [(line["event"], line.get("request")) for line in lines] == [("gap", None), ("request", "second")]


def test_a_begun_line_that_comes_after_the_loss_was_told_is_told_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else its request would count as lost and as one without an end for ever."""
    auditor = Auditor(Running(tmp_path, ScriptedEngine()).configuration)
    append_all, answers = Ledger.append_all, threading.Event()

    def hanging(ledger: Ledger, lines: Lines) -> range:
        assert answers.wait(20)
        return append_all(ledger, lines)

    async def all_of_it() -> None:
        first, left = (Entry(name, None, None, None, "POST") for name in ("first", "left"))
        monkeypatch.setattr(audit, "PATIENCE", 0.05)
        writing = asyncio.create_task(auditor.write(first, 200))
        while not first.ended.in_hand:
            await asyncio.sleep(0.001)
        monkeypatch.setattr(audit, "PATIENCE", 20)
        beginning = asyncio.create_task(auditor.begin(left))
        with pytest.raises(AuditUnavailable):
            await writing
        with pytest.raises(AuditUnavailable):
            await auditor.write(left, 499)
        answers.set()
        await beginning
        await auditor.close()

    monkeypatch.setattr(Ledger, "append_all", hanging)
    asyncio.run(all_of_it())
    lines = [json.loads(line) for line in auditor._ledger.path.read_text().splitlines()]
    told = [(line["event"], line.get("request"), line.get("lost"), line.get("begun")) for line in lines]
    assert told == [
        ("request", "first", None, None),
        ("gap", None, 1, 0),
        ("begun", "left", None, None),
        ("gap", None, 0, 1),
    ]
