"""The paths that must be looked at."""

from __future__ import annotations

import heapq
import itertools
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from service.sentinel.change import Who
from service.sentinel.entry import Entry
from service.sentinel.event import Event

LIMIT = 50_000
"""So many at most; a sweep takes over what would be more."""


@dataclass
class Dirt:
    """A path and what is known of why. `at`: seconds since 1970. `hashed`: what lay there, its content read.

    `appeared`, `directory`: an event said so. `again`: read the content even if nothing seems to have changed.
    `since`: it waits to be explained, monotonic; 0: it does not.
    """

    path: bytes
    at: float
    found_by: Literal["event", "sweep"]
    appeared: bool = False
    directory: bool = False
    who: Who | None = None
    hashed: Entry | None = None
    again: bool = False
    since: float = 0.0
    number: int = 0


class Dirty:
    """Filled by the reader, the sweeper and those who hash; emptied by the judge, oldest first.

    A path is in it once. One that was just alerted rests for `rest` seconds, so that a file that is written all the
    time is a line each `rest` seconds and not thousands.
    """

    def __init__(self, rest: float) -> None:
        self._rest = rest
        self._changed = threading.Condition()
        self._now: dict[bytes, Dirt] = {}
        self._later: dict[bytes, Dirt] = {}
        self._due: list[tuple[float, bytes]] = []
        self._resting: dict[bytes, float] = {}
        self._rested: deque[tuple[float, bytes]] = deque()
        self._calls: deque[tuple[int, Callable[[], None]]] = deque()
        self._number = self._taken = self._judged = 0
        self._closed = False

    def event(self, path: bytes, event: Event, who: Who | None) -> bool:
        """False when there is no place: the path's root must be swept."""
        with self._changed:
            found = self._place(path, event.at, "event")
            if found is None:
                return False
            found.found_by = "event"
            found.appeared |= event.what == "created"
            found.directory |= event.directory
            found.who = found.who or who
        return True

    def sweep(self, paths: Iterable[bytes], *, again: bool = False) -> None:
        """Waits while the judge is far behind: events come first."""
        at = time.time()
        with self._changed:
            for path in paths:
                while len(self._now) > LIMIT // 5 and not self._closed:
                    self._changed.wait(1)
                if found := self._place(path, at, "sweep"):
                    found.again |= again

    def judged(self, seconds: float) -> None:
        """Wait until all that is dirty now has been judged, but for what rests; no longer than `seconds`."""
        end = time.monotonic() + seconds
        with self._changed:
            number = self._number
            while self._judged < number and not self._closed and (left := end - time.monotonic()) > 0:
                self._changed.wait(left)

    def hashed(self, path: bytes, entry: Entry | None) -> None:
        with self._changed:
            if found := self._place(path, time.time(), "sweep", bounded=False):
                found.hashed = entry

    def after(self, seconds: float, dirt: Dirt) -> None:
        """Look at it again then."""
        with self._changed:
            if dirt.path not in self._now and dirt.path not in self._later:
                self._put_off(dirt, time.monotonic() + seconds)

    def rest(self, path: bytes) -> None:
        """It has just been alerted."""
        until = time.monotonic() + self._rest
        with self._changed:
            self._resting[path] = until
            self._rested.append((until, path))

    def call(self, what: Callable[[], None]) -> None:
        """Let the judge call it when all that is in here now has been judged, resting or not."""
        with self._changed:
            for path in list(self._later):
                self._put_now(self._later.pop(path))
            self._due.clear()
            self._calls.append((self._number, what))
            self._changed.notify_all()

    def kept(self, what: Callable[[], None]) -> None:
        """Let the judge call it when all that he is judging now is kept."""
        with self._changed:
            self._calls.appendleft((0, what))
            self._changed.notify_all()

    def take(self, most: int, seconds: float) -> tuple[list[Dirt], list[Callable[[], None]]]:
        """What is due, and what to call after it; waits for it no longer than `seconds`. What was taken is judged."""
        end = time.monotonic() + seconds
        with self._changed:
            self._judged = self._taken
            self._changed.notify_all()
            while not self._closed:
                now = time.monotonic()
                self._wake(now)
                if self._now or self._calls or now >= end:
                    break
                self._changed.wait(min(end, self._due[0][0] if self._due else end) - now)
            taken = [self._now.pop(path) for path in _first(self._now, most)]
            self._taken = next(iter(self._now.values())).number - 1 if self._now else self._number
            calls = []
            while self._calls and self._calls[0][0] <= self._taken:
                calls.append(self._calls.popleft()[1])
        return taken, calls

    def close(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def __len__(self) -> int:
        return len(self._now) + len(self._later)

    def _place(self, path: bytes, at: float, found_by: Literal["event", "sweep"], bounded: bool = True) -> Dirt | None:
        found = self._now.get(path) or self._later.get(path)
        if found is None:
            if bounded and len(self._now) + len(self._later) >= LIMIT:
                return None
            found = Dirt(path, at, found_by)
            until = self._resting.get(path)
            if until and until > time.monotonic():
                self._put_off(found, until)
            else:
                self._put_now(found)
                if len(self._now) == 1:
                    self._changed.notify_all()
        return found

    def _put_now(self, dirt: Dirt) -> None:
        self._number += 1
        dirt.number = self._number
        self._now[dirt.path] = dirt

    def _put_off(self, dirt: Dirt, until: float) -> None:
        self._later[dirt.path] = dirt
        heapq.heappush(self._due, (until, dirt.path))
        self._changed.notify_all()

    def _wake(self, now: float) -> None:
        while self._due and self._due[0][0] <= now:
            path = heapq.heappop(self._due)[1]
            if path in self._later:
                self._put_now(self._later.pop(path))
        while self._rested and self._rested[0][0] <= now:
            until, path = self._rested.popleft()
            if self._resting.get(path) == until:
                del self._resting[path]


def _first(given: dict[bytes, Dirt], most: int) -> list[bytes]:
    return list(itertools.islice(given, most))
