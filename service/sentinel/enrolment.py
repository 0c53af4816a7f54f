"""What was never watched before is taken as it is found, once, and that is said."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable

from service.sentinel.acceptance import Acceptance
from service.sentinel.beginning import Kept, kept
from service.sentinel.bounds import Bounds, of_container
from service.sentinel.judge import Judge
from service.sentinel.record import Recorder
from service.sentinel.store import Store
from service.sentinel.territory import SET, Watched
from service.sentinel.window import Windows

_FACT = "origins"


class Enrolment:
    """The first baseline is made of it; later, what new settings add to the baseline. `known`: the last baseline."""

    def __init__(
        self, judge: Judge, bounds: Bounds, acceptance: Acceptance, windows: Windows, recorder: Recorder
    ) -> None:
        self._judge, self._bounds, self._acceptance = judge, bounds, acceptance
        self._windows, self._recorder = windows, recorder
        self._origins: set[str] = set()
        self._new: set[str] = set()
        self._swept = threading.Event()
        self.known: Kept | None = None

    def begin(self, store: Store, watched: Iterable[Watched]) -> None:
        """At the start: the roots of settings that are new to this host."""
        self.known = kept(store)
        self._judge.has_baseline = self.known is not None
        self._origins = set(json.loads(store.fact(_FACT) or "[]"))
        self._new = {one.origin for one in watched if one.set != SET} - self._origins
        self._judge.enrolling = {one.root for one in watched if one.origin in self._new}
        self._of_containers(store, watched, ())

    def changed(self, new: Iterable[Watched], gone: Iterable[Watched]) -> None:
        """Roots came or went while it runs: those of containers begin and end as a whole, all others are alerts."""
        if any(of_container(one) for one in (*new, *gone)):
            self._judge.ask(lambda store: self._of_containers(store, new, gone))

    def swept(self) -> None:
        """A sweep of everything is judged; the judge's thread calls."""
        self._swept.set()

    def finish(self) -> None:
        """When all of it is known: make the baseline. Called now and then."""
        if not self._swept.is_set():
            return
        self._swept.clear()
        if self._judge.enrolling and not len(self._judge.hashing):
            self._judge.enrolling = set()
            if self._new:
                self._judge.ask(self._enrolled)
                self._acceptance.make("", f"first watched: {', '.join(sorted(self._new))}", "sentinel")
                self._new = set()
        self.known = self._judge.ask(kept)

    def _enrolled(self, store: Store) -> None:
        self._origins |= self._new
        store.note(_FACT, json.dumps(sorted(self._origins)))
        severity = "high" if self.known and not self._windows.open else None
        self._recorder.note("enrolled", severity, settings=sorted(self._new), entries=store.count())

    def _of_containers(self, store: Store, new: Iterable[Watched], gone: Iterable[Watched]) -> None:
        """An image's layers are taken as they are; what lies in an upper layer has been written, and is told."""
        for one in filter(of_container, gone):
            self._bounds.remove(store, one.root)
        appeared = [one for one in filter(of_container, new) if self._bounds.add(store, one.root)]
        lowers = {one.root for one in appeared if "lower" in one.origin}
        self._judge.enrolling = self._judge.enrolling | lowers
        for name in sorted({one.container or "" for one in appeared}):
            planned = self._windows.announced(name)
            self._recorder.note("container_appeared", None if planned else "high", container=name, run=planned)
