"""What is watched now: the settings' roots and the running containers', kept in step with what is there."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter

from service.sentinel.configuration import Configuration
from service.sentinel.containers import Containers
from service.sentinel.entry import readable
from service.sentinel.event import Gap, Source, WatchLimit
from service.sentinel.layout import Layout
from service.sentinel.mounts import only_swept
from service.sentinel.record import Recorder
from service.sentinel.store import Store
from service.sentinel.sweep import Sweeper
from service.sentinel.territory import Territory, Watched, expanded, inside

_FACT = "roots"
_SAY_AGAIN = 5.0
"""Seconds in which one root's gaps are one line."""


class Coverage:
    """`territory` is replaced as a whole. `gaps` since the start; `gaps_open`: those that no sweep has closed yet."""

    def __init__(
        self, layout: Layout, configuration: Configuration, source: Source, containers: Containers, recorder: Recorder
    ) -> None:
        self._layout, self._configuration, self._source = layout, configuration, source
        self._containers, self._recorder = containers, recorder
        self.territory = Territory()
        self.gaps = 0
        self.seconds = 0.0
        """That it took to watch all roots at the start."""
        self._lock = threading.Lock()
        self._open: Counter[bytes] = Counter()
        self._since: dict[bytes, float] = {}
        self._said: dict[bytes, float] = {}
        self._limited = False
        self._before: dict[bytes, str] = {}

    def remember(self, store: Store) -> None:
        """The roots of an earlier run, of which something is known."""
        given = json.loads(store.fact(_FACT) or "{}")
        roots = {bytes.fromhex(root): origin for root, origin in given.items()}
        self._before = {root: origin for root, origin in roots.items() if store.get(root)}

    def keep(self, store: Store) -> None:
        """For the next run."""
        store.note(_FACT, json.dumps({root.hex(): origin for root, origin in self._before.items()}))

    @property
    def gaps_open(self) -> int:
        return sum(self._open.values())

    @property
    def gap_age(self) -> float:
        """Seconds since the oldest root with an open gap had its first; 0 without one."""
        with self._lock:
            return time.monotonic() - min(self._since.values()) if self._since else 0.0

    def wanted(self) -> list[Watched]:
        """The roots as they should be now."""
        own = expanded(self._configuration.sets, self._layout.own, self._before)
        self._before = {one.root: one.origin for one in own}
        return own + inside(self._containers.roots(), self._configuration.containers)

    def refresh(self) -> tuple[list[Watched], list[Watched]]:
        """Watch what is new, forget what is not wanted any more; both are returned. New ones are not swept yet."""
        began = time.monotonic()
        before, wanted = self.territory, Territory(self.wanted())
        new = [one for root, one in wanted.roots.items() if before.roots.get(root) != one]
        gone = [one for root, one in before.roots.items() if root not in wanted.roots]
        self.territory = wanted
        for one in gone:
            self._source.forget(one.root)
        for one in new:
            self._watch(one)
        self.seconds = self.seconds or time.monotonic() - began
        return new, gone

    def gap(self, gap: Gap, sweeper: Sweeper) -> None:
        """Say it, and sweep there at once."""
        now = time.monotonic()
        with self._lock:
            self.gaps += 1
            self._open[gap.root] += 1
            self._since.setdefault(gap.root, now)
            said = now - self._said.get(gap.root, -_SAY_AGAIN) < _SAY_AGAIN
            if not said:
                self._said = {root: at for root, at in self._said.items() if now - at < _SAY_AGAIN} | {gap.root: now}
        if not said:
            self._recorder.note("coverage_gap", "low", root=readable(gap.root), why=gap.why)  # what it hid is alerted
        sweeper.ask(gap.root, lambda: self._closed(gap.root))

    def _closed(self, root: bytes) -> None:
        with self._lock:
            self._open[root] -= 1
            if self._open[root] <= 0:
                del self._open[root]
                self._since.pop(root, None)

    def _watch(self, one: Watched) -> None:
        try:
            self._source.watch(one.root)
        except WatchLimit as error:
            if not self._limited:
                self._limited = True
                self._recorder.note("watch_limit", "critical", why=str(error), now="what has no watch is only swept")
        except OSError as error:
            self._recorder.note("not_watched", "critical", root=readable(one.root), why=str(error))
        if one.container is None and (why := only_swept(one.root)):
            self._recorder.note("only_swept", "critical", root=readable(one.root), why=why)
