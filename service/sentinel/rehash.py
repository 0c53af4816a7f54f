"""Reading every content again in the course of a day: what changed on the disk without a trace is found too."""

from __future__ import annotations

import itertools
import json
import threading
import time
from pathlib import Path

from service.sentinel.dirty import Dirty
from service.sentinel.hasher import stand_back
from service.sentinel.judge import Judge
from service.sentinel.store import Known, Store

_STEP = 10.0
"""Seconds."""
_FACT = "rehash"
_FILE = 1 << 16
"""What a file costs besides its bytes, in bytes."""
_AT_ONCE = 500
_EMPTY = 300.0
"""Seconds until it is asked again whether there is anything to read, where there was not: all of the state is read."""


class Rehash(threading.Thread):
    """Goes on where it was after a restart, and does not hurry after what it missed while the host was off."""

    def __init__(self, database: Path, dirty: Dirty, judge: Judge, hours: float) -> None:
        super().__init__(name="rehash", daemon=True)
        self._database, self._dirty, self._judge, self._hours = database, dirty, judge, hours
        self._ended, self._now = threading.Event(), threading.Event()
        self._spent = self._done = self._total = 0.0
        self._after: bytes | None = None
        self._count_from = 0.0

    @property
    def progress(self) -> float:
        """The share of this round that is read."""
        return min(1.0, self._done / self._total) if self._total else 0.0

    def everything(self) -> None:
        """Read all contents again, now."""
        self._now.set()

    def close(self) -> None:
        self._ended.set()
        self._now.set()

    def run(self) -> None:
        stand_back()
        store = Store(self._database, readonly=True)
        self._resume(store)
        while not self._ended.is_set():
            at_once = self._now.wait(_STEP)
            self._now.clear()
            self._count(store, at_once)
            if at_once:  # From the start, to the end.
                self._after, self._done, self._spent = None, 0.0, self._hours * 3600
            self._spent += _STEP
            self._step(store)
        store.close()

    def _count(self, store: Store, at_once: bool) -> None:
        """What a round has to read."""
        if not self._total and (at_once or time.monotonic() >= self._count_from):
            self._total, self._spent = sum(size + _FILE for size in store.sizes()), 0.0
            self._count_from = time.monotonic() + _EMPTY

    def _step(self, store: Store) -> None:
        moved = False
        while not self._ended.is_set() and self._done < self._total * self._spent / (self._hours * 3600):
            some = list(itertools.islice(store.every(self._after), _AT_ONCE))
            for path, known in some:
                if known.entry.sha256:
                    self._dirty.sweep([path], again=True)
                self._done += _cost(known)
                self._after, moved = path, True
                if self._done >= self._total * self._spent / (self._hours * 3600):
                    break
            if not some:
                self._spent, self._done, self._total, self._after = 0.0, 0.0, 0.0, None
                break
        if moved:
            after = self._after.hex() if self._after is not None else None
            kept = json.dumps({"spent": self._spent, "done": self._done, "total": self._total, "after": after})
            self._dirty.call(lambda: self._judge.keep(_FACT, kept))

    def _resume(self, store: Store) -> None:
        if kept := store.fact(_FACT):
            given = json.loads(kept)
            self._spent, self._done, self._total = given["spent"], given["done"], given["total"]
            self._after = bytes.fromhex(given["after"]) if given["after"] is not None else None


def _cost(known: Known) -> float:
    return known.entry.size + _FILE if known.entry.sha256 else 0
