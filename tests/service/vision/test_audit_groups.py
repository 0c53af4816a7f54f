"""Lines that wait while others are being written go to the disk together, and none of them answers for another."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

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
@settings(max_examples=40)
@given(
    disk=st.lists(st.sampled_from(["takes", "refuses", "hangs", "hangs and refuses"]), max_size=12),
    streams=st.lists(st.tuples(st.booleans(), st.integers(0, 30)), min_size=1, max_size=12),
)
def test_whatever_the_disk_does_each_request_has_its_line_or_is_counted(
    tmp_path_factory: pytest.TempPathFactory, disk: list[str], streams: list[tuple[bool, int]]
) -> None:
    """`disk`: what becomes of one write after the other; the requests come so many milliseconds after the first."""
    auditor = Auditor(Running(tmp_path_factory.mktemp("log"), ScriptedEngine()).configuration)
    append_all, left = Ledger.append_all, iter(disk)

    def some(ledger: Ledger, lines: Lines) -> range:
        does = next(left, "takes")
        if "hangs" in does:
            time.sleep(0.03)
        if "refuses" in does:
            raise LedgerError("disk full")
        return append_all(ledger, lines)

    async def request(number: int, stream: bool, after: int) -> bool:
        await asyncio.sleep(after / 1000)
        entry = Entry(f"request-{number}", None, None, None, "POST")
        try:
            if stream:
                await auditor.begin(entry)
            await auditor.write(entry, 200)
        except AuditUnavailable:
            if not entry.ended.given_up:  # It was refused at its beginning, which is an end that is told too.
                with contextlib.suppress(AuditUnavailable):
                    await auditor.write(entry, 503)
            return False
        return True

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*(request(number, *one) for number, one in enumerate(streams)))

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
    assert {f"request-{number}" for number, well in enumerate(answered) if well} <= {*closed}
    assert len(streams) == len(closed) + auditor.lost
    gaps = [line for line in lines if line["event"] == "gap"]
    assert sum(line["lost"] for line in gaps) == auditor.lost
    assert sum(line["begun"] for line in gaps) == len({*begun} - {*closed})


def test_a_fault_of_ours_is_told_to_all_who_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever, and nobody is answered without a line."""

    def faulty(lines: Lines) -> None:
        if len(lines) > 1:
            raise ZeroDivisionError

    first, *others = Written(tmp_path, monkeypatch, faulty).found.values()
    assert first is None
    assert {type(one) for one in others} == {ZeroDivisionError}
