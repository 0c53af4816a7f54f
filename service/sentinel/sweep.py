"""Finding what no event told: every stamp on the disk against every stamp that is known."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from service.sentinel.dirty import Dirty
from service.sentinel.event import Named
from service.sentinel.hasher import stand_back
from service.sentinel.look import Unreadable
from service.sentinel.mounts import mounted
from service.sentinel.names import Linked
from service.sentinel.store import Store, stamp
from service.sentinel.territory import Territory
from service.sentinel.tick import SIGN
from service.sentinel.walk import compared

_SHARE = 500
"""A sweep of one second is followed by so many seconds of rest: 0.2% of a processor."""
_SHARE_ASKED = 20
"""The same for a root that is asked for again and again: 5%."""
_AT_ONCE = 1000
_SOON = 0.2
"""Paths, or seconds since the first of them, after which what was found goes to the judge."""
_MOST_NAMED, _NAMED_AT_ONCE = 10_000, 500
_PATIENCE = 1.0
"""Seconds that a sweep waits for the judge, who may have much else to do."""


@dataclass
class Swept:
    """One sweep. Seconds are of the clock; `every`: from its beginning to the next one's."""

    seen: int = 0
    differing: int = 0
    seconds: float = 0.0
    every: float = 0.0
    ended: float = 0.0
    unreadable: list[str] = field(default_factory=list)


class Sweeper(threading.Thread):
    """Sweeps all roots every `seconds`, and any root as soon as it is asked to, in the middle of the others.

    What differs goes to the judge; of what has several names the source is told, by `linked`. `swept(sweep)` is called
    after each sweep of everything, when that is judged.
    """

    def __init__(
        self,
        database: Path,
        dirty: Dirty,
        territory: Callable[[], Territory],
        seconds: float,
        swept: Callable[[Swept], None],
        linked: Linked,
    ) -> None:
        super().__init__(name="sweeper", daemon=True)
        self._database, self._dirty, self._territory = database, dirty, territory
        self._seconds, self._swept, self._linked = seconds, swept, linked
        self._changed = threading.Condition()
        self._asked: dict[bytes, list[Callable[[], None]]] = {}
        self._everything: list[Callable[[], None]] = []
        self._rested: dict[bytes, float] = {}
        self._named: set[tuple[int, int]] = set()
        self._named_rested = 0.0
        self._due = 0.0
        self._closed = False
        self.last = Swept()
        self.alive = time.monotonic()

    def ask(self, root: bytes, then: Callable[[], None] | None = None) -> None:
        """Sweep what is at and below `root` at once; `then` is called when what was found is judged."""
        with self._changed:
            self._asked.setdefault(root, []).extend([then] if then else [])
            self._changed.notify_all()

    def everything(self, then: Callable[[], None] | None = None) -> None:
        """Sweep all roots at once; `then` as in `ask`."""
        with self._changed:
            self._due = 0.0
            if then:
                self._everything.append(then)
            self._changed.notify_all()

    def named(self, one: Named) -> None:
        """Look at what is watched of that file as soon as it is found: all that is known is searched for it."""
        with self._changed:
            self._named.add((one.device, one.inode))
            if len(self._named) > _MOST_NAMED:
                self._named.clear()
                self._due = 0.0
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def run(self) -> None:
        stand_back()
        self._store = Store(self._database, readonly=True)
        while not self._closed:
            with self._changed:
                while not self._closed and (wait := self._wait()) > 0:
                    self.alive = time.monotonic()
                    self._changed.wait(min(wait, SIGN))
            self._one_asked()
            if time.monotonic() >= self._due and not self._closed:
                self._all()
        self._store.close()

    def _all(self) -> None:
        with self._changed:
            waiting, self._everything, self._due = self._everything, [], float("inf")
        sweep, began, used = Swept(), time.monotonic(), time.thread_time()
        for root in [root for root, watched in self._territory().roots.items() if not watched.backing]:
            for _ in self._below(root, sweep):
                self._one_asked()
                if self._closed:
                    return
                if time.monotonic() - began > 2 * self._seconds + 60:
                    stand_back(idle=False)  # The disk is never idle: it must come to an end all the same.
        stand_back()
        sweep.seconds, sweep.ended = time.monotonic() - began, time.time()
        sweep.every = max(self._seconds, (time.thread_time() - used) * _SHARE)
        with self._changed:
            self._due = min(self._due, began + sweep.every)
        self.last = sweep
        self._dirty.call(lambda: self._swept(sweep))
        for then in waiting:
            self._dirty.call(then)

    def _wait(self) -> float:
        """Seconds until there is something to do."""
        due = [self._rested.get(root, 0.0) for root in self._asked]
        named = [self._named_rested] if self._named else []
        return min([*due, *named, self._due]) - time.monotonic()

    def _one_asked(self) -> None:
        self._look_at_named()
        while not self._closed and (asked := self._next()):
            root, waiting = asked
            used = time.thread_time()
            for _ in self._below(root, Swept()):
                if self._closed:
                    return
            now, rest = time.monotonic(), (time.thread_time() - used) * _SHARE_ASKED
            self._rested = {one: until for one, until in self._rested.items() if until > now} | {root: now + rest}
            for then in waiting:
                self._dirty.call(then)

    def _look_at_named(self) -> None:
        with self._changed:
            if not self._named or self._named_rested > time.monotonic():
                return
            some = [self._named.pop() for _ in range(min(len(self._named), _NAMED_AT_ONCE))]
        # What was looked at before it had the name may be what the judge is still at.
        kept = threading.Event()
        self._dirty.kept(kept.set)
        while not kept.wait(_PATIENCE) and not self._closed:
            self.alive = time.monotonic()
        used = time.thread_time()
        paths = self._store.named(some)
        self._named_rested = time.monotonic() + (time.thread_time() - used) * _SHARE_ASKED
        self._hand_over(paths)

    def _next(self) -> tuple[bytes, list[Callable[[], None]]] | None:
        """The first that was asked for and has rested since it was swept last."""
        now = time.monotonic()
        with self._changed:
            root = next((one for one in self._asked if self._rested.get(one, 0.0) <= now), None)
            return None if root is None else (root, self._asked.pop(root))

    def _below(self, root: bytes, sweep: Swept) -> Iterator[None]:
        """A step for each directory."""
        territory = self._territory()
        of = territory.of(root)
        if of is None:
            return
        root = of.kept_at(root)
        foreign = {one.point for one in mounted() if not one.walked} - territory.roots.keys()
        self._itself(root, sweep)
        directories, differing, since = [root], list[bytes](), 0.0
        while directories:
            directory = directories.pop()
            watched = territory.of(directory)
            if watched is None or directory in foreign:
                continue
            try:
                found = compared(directory, self._store.children(directory), watched)
            except OSError as error:
                sweep.unreadable.append(str(Unreadable(directory, error)))
                continue
            if found.differing and not differing:
                since = time.monotonic()
            differing += found.differing
            differing += [path for path in found.linked if self._linked(path, again=False)]
            if len(differing) >= _AT_ONCE or (differing and (self._asked or time.monotonic() > since + _SOON)):
                self._hand_over(differing)
                differing = []
            sweep.seen += found.seen
            sweep.differing += len(found.differing)
            directories += reversed(found.directories)
            self.alive = time.monotonic()
            yield
        self._hand_over(differing)

    def _hand_over(self, paths: list[bytes]) -> None:
        """And wait: two threads that both run Python, and call the kernel all the time, only hold each other up."""
        for start in range(0, len(paths), _AT_ONCE):
            self._dirty.sweep(paths[start : start + _AT_ONCE])
            self._dirty.judged(_PATIENCE)
            self.alive = time.monotonic()

    def _itself(self, root: bytes, sweep: Swept) -> None:
        try:
            found = os.lstat(root)
        except OSError:
            found = None
        if (stamp(found) if found else None) != self._store.stamp(root):
            sweep.differing += 1
            self._dirty.sweep([root])
        elif found and not stat.S_ISDIR(found.st_mode) and found.st_nlink > 1 and self._linked(root, again=False):
            self._dirty.sweep([root])
