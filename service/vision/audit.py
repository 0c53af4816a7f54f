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
import time
from collections import Counter
from collections.abc import Callable, Iterable, MutableMapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from service.ledger import Ledger, LedgerError
from service.vision.configuration import Configuration
from service.vision.conversation import Turn
from service.vision.digests import Digests

Scope = MutableMapping[str, Any]
PATIENCE = 10.0
"""Seconds that an answer waits for its line."""
_KEY = "casemate.audit"
_API_KEY = re.compile(r"csm_[A-Za-z0-9_-]+")
_LOOKED_AT = 20
"""Characters for each that is kept: of runs of blanks one is left, and an API key becomes seven characters."""
_UNTOLD = frozenset({"began", "begun", "ended"})
_RESULTS = frozenset({"tokens_out", "response_length", "finish", "reason"})


@dataclass
class _Way:
    """Of a line to the disk: who waits for it and who writes it may both be too late."""

    in_hand: bool = False
    written: bool = False
    given_up: bool = False


@dataclass
class Entry:
    """What is known of a request so far; `seconds` holds marks since its beginning."""

    request: str
    principal: str | None
    key_id: str | None
    client: str | None
    method: str
    route: str | None = None
    stream: bool = False
    text: str | None = None
    text_length: int = 0
    summary: str | None = None
    user: str | None = None
    pictures: dict[int, dict[str, Any]] = field(default_factory=dict)
    tokens_in: int = 0
    tokens_out: int = 0
    response_length: int = 0
    finish: str | None = None
    reason: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic, repr=False)
    begun: _Way = field(default_factory=_Way, repr=False)
    ended: _Way = field(default_factory=_Way, repr=False)

    def mark(self, what: str, at: float | None = None) -> None:
        """Note how long it took until here, or until `at` (monotonic)."""
        self.seconds[what] = round((time.monotonic() if at is None else at) - self.began, 4)

    def saw(self, at: int, sha256: str, width: int | None = None, height: int | None = None) -> None:
        """Note the digest of the file that picture `at` came as, and its size once it is decoded."""
        self.pictures[at] = {"sha256": sha256, "width": width, "height": height}

    def told(self) -> dict[str, Any]:
        """The fields as they are now: what is noted from now on does not change them."""
        fields = {name: value for name, value in vars(self).items() if name not in _UNTOLD}
        if self.summary is None:
            del fields["summary"]
        return {**fields, "pictures": [self.pictures[at] for at in sorted(self.pictures)], "seconds": {**self.seconds}}


def entry(scope: Scope) -> Entry:
    """The line that is being made for this request."""
    made: Entry = scope[_KEY]
    return made


def attach(scope: Scope, new: Entry) -> None:
    """Begin the line of this request."""
    scope[_KEY] = new


class AuditUnavailable(Exception):
    """The line could not be written; then the answer is not given either."""


class Auditor:
    """Writes lines, in a thread of its own: a slow disk holds up its request and no other.

    Promise: no word without a line. Who is told the beginning of a streamed answer has a line with event `begun` in the
    log before that; who has an answer whole, or a refusal, has the line that closes the request, with event `request`,
    written before the last byte is sent. So this holds for everybody when this process is killed (SIGKILL) at any
    moment: of a stream that was cut by that, the begun line stands alone. It does not hold when the machine dies: the
    kernel brings lines to the disk within about half a minute, and a power cut may take those of that time.

    A log that takes no line (disk full, or a disk that does not answer within `PATIENCE`): with `refuse` there is 503
    in place of the answer, and of one that has begun the last part is withheld; with `continue` answers go on without a
    line. Either way closing lines that were not taken are counted as lost, and the next line that can be written is
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
        self._counting = threading.Lock()
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
        with contextlib.suppress(LedgerError):
            await self._in_thread(self._tell_of_gap)

    async def _write(self, line: Entry, way: _Way, fields: dict[str, Any]) -> None:
        try:
            await self._in_thread(self._append, line, way, fields)
        except LedgerError as error:
            with self._counting:
                if way.written:
                    return
                way.given_up = True
                self.failures += 1
                self._say(error)
                if not way.in_hand:
                    self._lose(line, way)
            if not self._goes_on:
                raise AuditUnavailable from error

    async def _in_thread(self, work: Callable[..., None], *arguments: Any) -> None:
        """Raises LedgerError when the log takes no line, or the thread is still busy with an earlier one."""
        what = f"{self._ledger.path}: the disk has not answered for {PATIENCE:g} s"
        late = LedgerError(f"{what}; next: see what holds it")
        if self._hanging and not self._hanging.done():
            raise late
        done = self._thread.submit(work, *arguments)
        try:
            await asyncio.wait_for(asyncio.wrap_future(done), PATIENCE)
        except asyncio.TimeoutError:
            if done.running():
                self._hanging = done
            raise late from None

    def _append(self, line: Entry, way: _Way, fields: dict[str, Any]) -> None:
        with self._counting:
            if way.given_up:
                return
            way.in_hand = True
        self._tell_of_gap()
        try:
            self._ledger.append(fields)
        except LedgerError:
            with self._counting:
                way.in_hand = False
                if way.given_up:
                    self._lose(line, way)
            raise
        with self._counting:
            way.written = True
            self._say(None)
            if way is line.begun and line.ended.given_up:
                self._gap["begun"] += 1

    def _lose(self, line: Entry, way: _Way) -> None:
        if way is line.ended:
            self.lost += 1
            self._gap.update(lost=1, begun=int(line.begun.written))

    def _tell_of_gap(self) -> None:
        with self._counting:
            gap = self._gap.copy()
        if gap["lost"]:
            with contextlib.suppress(LedgerError):  # The next line tries again.
                self._ledger.append({"event": "gap", **self._served, **gap})
                with self._counting:
                    self._gap.subtract(gap)

    def _say(self, error: LedgerError | None) -> None:
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
