"""Lines that wait while others are being written go to the disk together, and none of them answers for another."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from service.ledger import Ledger, LedgerError, verify
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


def test_a_fault_of_ours_is_told_to_all_who_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever, and nobody is answered without a line."""

    def faulty(lines: Lines) -> None:
        if len(lines) > 1:
            raise ZeroDivisionError

    first, *others = Written(tmp_path, monkeypatch, faulty).found.values()
    assert first is None
    assert {type(one) for one in others} == {ZeroDivisionError}
