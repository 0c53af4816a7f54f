"""One line a request, on every way out: refused, cancelled and failed ones too. Never a prompt, a picture or a key.

The one exception is the operator's choice: `audit_text` characters of what the user said last.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import re
import secrets
import sys
import threading
import time
from collections.abc import Callable, Iterable, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.ledger import Ledger, LedgerError
from service.vision.configuration import Configuration
from service.vision.conversation import Picture, Turn

Scope = MutableMapping[str, Any]
PATIENCE = 10.0
"""Seconds that an answer waits for its line."""
_KEY = "casemate.audit"
_API_KEY = re.compile(r"csm_[A-Za-z0-9_-]+")


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
    pictures: list[dict[str, Any]] = field(default_factory=list)
    tokens_in: int = 0
    tokens_out: int = 0
    response_length: int = 0
    finish: str | None = None
    reason: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic, repr=False)

    def mark(self, what: str, at: float | None = None) -> None:
        """Note how long it took until here, or until `at` (monotonic)."""
        self.seconds[what] = round((time.monotonic() if at is None else at) - self.began, 4)

    def saw(self, pictures: Iterable[Picture]) -> None:
        """Note the pictures' digests and sizes."""
        self.pictures = [{"sha256": one.sha256, "width": one.width, "height": one.height} for one in pictures]


def entry(scope: Scope) -> Entry:
    """The line that is being made for this request."""
    made: Entry = scope[_KEY]
    return made


def attach(scope: Scope, new: Entry) -> None:
    """Begin the line of this request."""
    scope[_KEY] = new


class AuditUnavailable(Exception):
    """The line could not be written; then the answer is not given either."""


@dataclass
class _Fate:
    """Of a line that is on its way to the disk: who waits for it and who writes it may both be too late."""

    written: bool = False
    given_up: bool = False


class Auditor:
    """Writes lines, in a thread of its own: a slow disk holds up its request and no other.

    Promise: who has an answer whole has its line in the log. The line is written before the last byte of its answer is
    sent, so that holds when this process is killed (SIGKILL) at any moment. It does not hold when the machine dies: the
    kernel brings lines to the disk within about half a minute, and a power cut may take those of that time.

    A log that takes no line (disk full, or a disk that does not answer within `PATIENCE`) gives no answer either
    (`refuse`); with `continue` answers go on, the lost lines are counted, and the next line that can be written is
    preceded by one with event `gap` and their number. A process that ends before that has lost the number too; stderr
    and the metrics told of it. A line that a hanging disk takes after all stands in the log for an answer that was
    withheld, and is no lost one then.
    """

    def __init__(self, configuration: Configuration) -> None:
        log = configuration.audit_log
        self.failures = 0
        self.lost = 0
        self._gap = 0  # Of the lost ones those that no line tells of yet.
        self._failing = False
        self._ledger = Ledger(log)
        self._goes_on = configuration.audit_full == "continue"
        self._summary = configuration.audit_text
        self._served = {"model": configuration.model_name, "release": configuration.release}
        self._text_key = _text_key(log)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")
        self._counting = threading.Lock()
        self._hanging: Future[None] | None = None

    def read(self, turns: Iterable[Turn], line: Entry) -> None:
        """Note length and keyed digest of what was asked: who guesses a text can confirm it only with the key."""
        asked = list(turns)
        texts = [[turn.role, *turn.texts] for turn in asked]
        line.text = self.digest(json.dumps(texts))
        line.text_length = sum(len(text) for _, *own in texts for text in own)
        if self._summary:
            line.summary = summary(asked, self._summary)

    def digest(self, text: str) -> str:
        """HMAC-SHA256 under the secret beside the log."""
        return hmac.new(self._text_key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    async def write(self, line: Entry, status: int) -> None:
        """Write the line. Raises AuditUnavailable."""
        line.mark("total")
        fields = {name: value for name, value in vars(line).items() if name != "began"}
        if line.summary is None:
            del fields["summary"]
        fields |= {"event": "request", **self._served, "status": status}
        fate = _Fate()
        try:
            await self._in_thread(self._append, fields, fate)
        except LedgerError as error:
            with self._counting:
                if fate.written:
                    return
                fate.given_up = True
                self._lose(error)
            if not self._goes_on:
                raise AuditUnavailable from error

    async def close(self) -> None:
        """Tell of lost lines, if the log takes that now."""
        with contextlib.suppress(LedgerError):
            await self._in_thread(self._tell_of_gap)

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

    def _append(self, fields: dict[str, Any], fate: _Fate) -> None:
        self._tell_of_gap()
        self._ledger.append(fields)
        with self._counting:
            fate.written = True
            if fate.given_up and self._goes_on:
                self.lost -= 1
                self._gap -= 1
            self._say(None)

    def _lose(self, error: LedgerError) -> None:
        self.failures += 1
        self._say(error)
        if self._goes_on:
            self.lost += 1
            self._gap += 1

    def _tell_of_gap(self) -> None:
        if gap := self._gap:
            with contextlib.suppress(LedgerError):  # The next line tries again.
                self._ledger.append({"event": "gap", **self._served, "lost": gap})
                with self._counting:
                    self._gap -= gap

    def _say(self, error: LedgerError | None) -> None:
        """Once when it begins and once when it ends: a full disk must not fill another one."""
        if error and not self._failing:
            print(f"{error}; {'answers go on without' if self._goes_on else 'nothing is answered'}", file=sys.stderr)
        elif self._failing and not error:
            print(f"the audit log takes lines again; {self.lost} were lost since the start", file=sys.stderr)
        sys.stderr.flush()
        self._failing = error is not None


def summary(turns: Iterable[Turn], most: int) -> str:
    """The beginning of what the user said last, in one line; without characters that steer, and without API keys."""
    said = [" ".join(turn.texts) for turn in turns if turn.role == "user"]
    shown = "".join(char if char.isprintable() else " " for char in (said or [""])[-1])
    return _API_KEY.sub("csm_...", " ".join(shown.split()))[:most]


def _text_key(log: Path) -> bytes:
    """A secret beside the log, made once, whole at once: two containers may start at the same time."""
    path = log.with_name(log.name + ".text-key")
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return bytes.fromhex(path.read_text(encoding="ascii"))
