"""Deploy windows: a time in which what an operator announced, and signed, is no alert."""

from __future__ import annotations

import base64
import binascii
import json
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from service.sentinel.change import Change
from service.sentinel.layout import Layout
from service.sentinel.plan import Plan, PlanError
from service.sentinel.signature import SignatureError, host_names, verify

NAMESPACE = "casemate-window-v1"
LONGEST = 4 * 3600
"""Seconds."""
_EARLY = 300
"""Seconds that clocks of operator and host may differ."""


class WindowError(Exception):
    """The window is not opened or not closed; the message says why and what next."""


@dataclass
class Window:
    """An open one. `until`: seconds since 1970; `ends`: on the monotonic clock, so that no clock is turned back."""

    run: str
    by: str
    until: float
    ends: float
    sequence: int
    plan: Plan
    documents: list[dict[str, str]]
    unplanned: int = 0
    planned: int = 0

    @property
    def over(self) -> bool:
        return time.time() >= self.until or time.monotonic() >= self.ends


class Windows:
    """None or one is open. What it keeps is given back to it as text after a restart."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._lock = threading.Lock()
        self.open: Window | None = None
        self.sequence = 0

    def checked(self, document: str, signature: str) -> dict[str, Any]:
        """The content of a document (base64) whose signature, host and time are right. Raises WindowError."""
        try:
            content = base64.b64decode(document, validate=True)
            signer = verify(content, signature, NAMESPACE, self._layout)
            said = json.loads(content)
            until, plan = _seconds(said["until"]), said["plan"]
            said = {**said, "until": until, "signer": signer, "sequence": int(said["sequence"])}
            Plan(plan, self._layout.packages)
            host, run = str(said["host"]), str(said["run"])
        except (SignatureError, PlanError) as error:
            raise WindowError(f"the window stays shut: {error}") from None
        except (binascii.Error, ValueError, KeyError, TypeError, AttributeError) as error:
            raise WindowError(f"the window stays shut: its document is not as expected: {error!r}") from None
        if said.get("schema") != 1:
            raise WindowError(f"the window stays shut: got schema {said.get('schema')}, expected 1")
        if host not in (names := host_names(self._layout)):
            raise WindowError(f"the window of {run} is for {host}, this is {', '.join(sorted(names))}")
        if until <= time.time():
            raise WindowError(f"the window of {run} was over before it came; next: look at the clocks, deploy again")
        if until > time.time() + LONGEST + _EARLY:
            raise WindowError(f"the window of {run} is longer than {LONGEST // 3600} hours; next: sign a shorter one")
        return said

    def begin(self, said: dict[str, Any], document: str, signature: str) -> Window:
        """Open it, or add to the open one's plan; another run's ends with it. Raises WindowError."""
        with self._lock:
            if said["sequence"] <= self.sequence:
                raise WindowError(
                    f"the window's sequence is {said['sequence']}, expected more than {self.sequence}: used before"
                )
            before = self.open
            if before and before.over:
                before = None
            if before and before.run != said["run"]:
                before = None  # Of a run that was cut off: only one at a time holds the host's lock.
            self.sequence = said["sequence"]
            documents = [*(before.documents if before else ()), {"document": document, "signature": signature}]
            self.open = self._made(said, documents)
            if before:
                self.open.unplanned, self.open.planned = before.unplanned, before.planned
            return self.open

    def end(self, run: str) -> Window:
        """Close it. Raises WindowError."""
        with self._lock:
            if self.open is None or self.open.run != run:
                raise WindowError(f"no window of {run} is open" + (f", one of {self.open.run} is" if self.open else ""))
            window, self.open = self.open, None
            return window

    def planned_by(self, change: Change) -> str | None:
        """The run that announced it."""
        window = self.open
        if window is None or window.over:
            return None
        if change.container:
            explained = change.container in window.plan.containers and change.what != "changed"
        else:
            explained = window.plan.explains(change.path, change.before, change.after)
        return window.run if explained else None

    def announced(self, container: str) -> str | None:
        """The run whose open window lets this container come and go."""
        window = self.open
        return window.run if window and not window.over and container in window.plan.containers else None

    def count(self, run: str | None) -> None:
        """A change was recorded, as planned by `run` or as an alert."""
        if window := self.open:
            window.planned += run is not None
            window.unplanned += run is None

    def kept(self) -> str:
        """What must outlive a restart, as JSON."""
        open_ = {"documents": self.open.documents, "unplanned": self.open.unplanned} if self.open else None
        return json.dumps({"sequence": self.sequence, "open": open_})

    def restore(self, kept: str | None) -> None:
        """Each document is judged anew, so that nobody opens a window by editing what was kept."""
        given: dict[str, Any] = json.loads(kept) if kept else {"sequence": 0, "open": None}
        self.sequence = given["sequence"]
        if not given["open"]:
            return
        try:
            for one in given["open"]["documents"]:
                said = self.checked(one["document"], one["signature"])
            self.open = self._made(said, given["open"]["documents"])
            self.open.unplanned = given["open"]["unplanned"]
        except WindowError:
            self.open = None

    def _made(self, said: dict[str, Any], documents: list[dict[str, str]]) -> Window:
        plan = [item for one in documents for item in json.loads(base64.b64decode(one["document"]))["plan"]]
        ends = time.monotonic() + min(said["until"] - time.time(), LONGEST)
        by, made = str(said.get("by", "")), Plan(plan, self._layout.packages)
        return Window(str(said["run"]), by, said["until"], ends, said["sequence"], made, documents)


def _seconds(given: object) -> float:
    """ISO 8601 with a zone, or seconds since 1970."""
    if isinstance(given, (int, float)):
        return float(given)
    moment = datetime.fromisoformat(str(given).replace("Z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"got {given}, expected a time with its zone")
    return moment.timestamp()
