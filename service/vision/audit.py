"""Lines about requests, on every way out: refused, cancelled and failed ones too. Never a prompt, a picture or a key.

The one exception is the operator's choice: `audit_text` characters of what the user said last.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from service.ledger import Ledger, LedgerError
from service.vision import faults
from service.vision.configuration import Configuration
from service.vision.conversation import Turn
from service.vision.digests import Digests
from service.vision.entry import Entry, Way

PATIENCE = 10.0
"""Seconds that an answer waits for its line."""
_API_KEY = re.compile(r"csm_[A-Za-z0-9_-]+")
_LOOKED_AT = 20
"""Characters for each that is kept: of runs of blanks one is left, and an API key becomes seven characters."""
_RESULTS = frozenset({"tokens_out", "response_length", "finish", "reason"})


@dataclass
class _Line:
    """On its way to the log; `error` holds why it was not taken, at the last try."""

    entry: Entry
    way: Way
    fields: dict[str, Any]
    error: Exception | None = None


class _Group:
    """Lines that go to the disk together; while others are being written it is open, and takes more."""

    job: Future[None]
    done: asyncio.Future[None]

    def __init__(self) -> None:
        self.lines: list[_Line] = []


class AuditUnavailable(Exception):
    """The line could not be written; then the answer is not given either."""


class Auditor:
    """Writes lines, in a thread of its own, those that wait together at once: a slow disk holds up nothing else.

    Promise: no word without a line. Who is told the beginning of a streamed answer has a line with event `begun` in the
    log before that; who has an answer whole, or a refusal, has the line that closes the request, with event `request`,
    written before the last byte is sent. So this holds for everybody when this process is killed (SIGKILL) at any
    moment: of a stream that was cut by that, the begun line stands alone. It does not hold when the machine dies: the
    kernel brings lines to the disk within about half a minute, and a power cut may take those of that time.

    A log that takes no line (disk full, or a disk that does not answer within `PATIENCE`): with `refuse` there is 503
    in place of the answer, and of one that has begun the last part is withheld; with `continue` answers go on without a
    line. Either way closing lines that were not taken are counted as lost, and the next ones that can be written are
    preceded by one with event `gap`: how many were lost, and how many of these requests have a begun line. A begun line
    that was not taken is no loss of its own, for its request is closed by a line or counted there. A process that ends
    before that has lost the numbers too; stderr and the metrics told of them. A line that a hanging disk takes after
    all stands in the log, though its answer may have been withheld, and is no lost one.
    """

    def __init__(self, configuration: Configuration) -> None:
        self.failures = 0
        self.lost = 0
        self._gap = Counter[str]()  # Of the lost ones those that no line tells of yet.
        self._failing = False
        self._ledger = Ledger(configuration.audit_log)
        self._goes_on = configuration.audit_full == "continue"
        self._summary = configuration.audit_text
        self._served = {"model": configuration.model_name, "release": configuration.release}
        self._digests = Digests(configuration.audit_log)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._lock = threading.Lock()
        self._open: _Group | None = None
        self._hanging: Future[None] | None = None

    def read(self, turns: Sequence[Turn], user: str | None, line: Entry) -> None:
        """Note length and keyed digest of what was asked, and of the name that the client gives its user."""
        texts = [[turn.role, *turn.texts] for turn in turns]
        line.text = self._digests.of(json.dumps(texts))
        line.text_length = sum(len(text) for _, *own in texts for text in own)
        line.user = self._digests.of(user) if user else None
        if self._summary:
            line.summary = summary(turns, self._summary)

    async def begin(self, line: Entry) -> None:
        """Write the line of who is about to be told the beginning of an answer. Raises AuditUnavailable."""
        known = {name: value for name, value in line.told().items() if name not in _RESULTS}
        await self._write(line, line.begun, {**known, "event": "begun", **self._served})

    async def write(self, line: Entry, status: int) -> None:
        """Write the line that closes the request. Raises AuditUnavailable."""
        line.mark("total")
        await self._write(line, line.ended, {**line.told(), "event": "request", **self._served, "status": status})

    async def close(self) -> None:
        """Tell of lost lines, if the log takes that now."""
        if not self._hangs():
            await asyncio.wait({asyncio.wrap_future(self._thread.submit(self._tell_of_gap))}, timeout=PATIENCE)

    async def _write(self, line: Entry, way: Way, fields: dict[str, Any]) -> None:
        one = _Line(line, way, fields)
        if (error := await self._taken(one)) is None:
            return
        with self._lock:
            if way.written:
                return
            way.given_up = True
            self.failures += 1
            self._say(error)
            if not way.in_hand:
                self._lose(one)
        if not self._goes_on:
            raise AuditUnavailable from error

    async def _taken(self, one: _Line) -> BaseException | None:
        """Why the log did not take it; also when the thread is still busy with earlier ones."""
        if self._hangs():
            return self._late()
        with self._lock:
            if (group := self._open) is None:
                group = _Group()
                try:
                    group.job = self._thread.submit(self._append_group, group)
                except RuntimeError as error:  # As many threads run here as may.
                    return LedgerError(f"{self._ledger.path}: no line could be added: {error}; next: raise vision.pids")
                group.done = asyncio.wrap_future(group.job)
                self._open = group
            group.lines.append(one)
        await asyncio.wait({group.done}, timeout=PATIENCE)
        if group.done.done():
            return group.done.exception() or one.error
        if group.job.running():
            self._hanging = group.job
        return self._late()

    def _hangs(self) -> bool:
        return self._hanging is not None and not self._hanging.done()

    def _late(self) -> LedgerError:
        return LedgerError(
            f"{self._ledger.path}: the disk has not answered for {PATIENCE:g} s; next: see what holds it"
        )

    def _append_group(self, group: _Group) -> None:
        with self._lock:
            if self._open is group:
                self._open = None
        self._tell_of_gap()
        self._append(group.lines)

    def _append(self, lines: Sequence[_Line]) -> None:
        with self._lock:
            lines = [one for one in lines if not one.way.given_up]
            for one in lines:
                one.way.in_hand = True
        try:
            self._ledger.append_all([one.fields for one in lines])
        except Exception as error:
            if not isinstance(error, LedgerError):
                faults.tell(error)
            with self._lock:
                for one in lines:
                    one.error, one.way.in_hand = error, False
                    if one.way.given_up:
                        self._lose(one)
            if len(lines) > 1:  # One of them alone may be to blame.
                for one in lines:
                    self._append([one])
            return
        with self._lock:
            for one in lines:
                one.error, one.way.written = None, True
                ended = one.entry.ended
                if one.way is one.entry.begun and ended.given_up and not ended.in_hand:  # Counted without it.
                    self._gap["begun"] += 1
            if lines:
                self._say(None)

    def _lose(self, one: _Line) -> None:
        if one.way is one.entry.ended:
            self.lost += 1
            self._gap.update(lost=1, begun=int(one.entry.begun.written))

    def _tell_of_gap(self) -> None:
        with self._lock:
            gap = self._gap.copy()
        if gap["lost"] or gap["begun"]:
            with contextlib.suppress(LedgerError):  # The next line tries again.
                self._ledger.append({"event": "gap", **self._served, **gap})
                with self._lock:
                    self._gap.subtract(gap)

    def _say(self, error: BaseException | None) -> None:
        """Once when it begins and once when it ends: a full disk must not fill another one."""
        if error and not self._failing:
            print(f"{error}; {'answers go on without' if self._goes_on else 'requests are refused'}", file=sys.stderr)
        elif self._failing and not error:
            print(f"the audit log takes lines again; {self.lost} were lost since the start", file=sys.stderr)
        sys.stderr.flush()
        self._failing = error is not None


def summary(turns: Iterable[Turn], most: int) -> str:
    """The beginning of what the user said last, in one line; without characters that steer, and without API keys."""
    said = [" ".join(turn.texts) for turn in turns if turn.role == "user"]
    beginning = (said or [""])[-1][: _LOOKED_AT * most]  # All of a long text would take seconds.
    shown = "".join(char if char.isprintable() else " " for char in beginning)
    return _API_KEY.sub("csm_...", " ".join(shown.split()))[:most]
