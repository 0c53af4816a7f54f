"""What was never watched before is taken as it is found, once, and that is said."""

from __future__ import annotations

import threading
from collections.abc import Iterable

from service.sentinel.acceptance import Acceptance
from service.sentinel.beginning import Kept, kept
from service.sentinel.bounds import Bounds, of_container
from service.sentinel.configuration import Severity
from service.sentinel.judge import Judge
from service.sentinel.record import Recorder
from service.sentinel.store import Store
from service.sentinel.territory import Watched
from service.sentinel.window import Windows


class Enrolment:
    """The first baseline is made of it; later, what new settings add to the baseline. `known`: the last baseline.

    `settings`: the lines of the settings, as the roots name their origin.
    """

    def __init__(
        self,
        judge: Judge,
        bounds: Bounds,
        acceptance: Acceptance,
        windows: Windows,
        recorder: Recorder,
        settings: set[str],
    ) -> None:
        self._judge, self._bounds, self._acceptance = judge, bounds, acceptance
        self._windows, self._recorder = windows, recorder
        self._settings, self._new = settings, set[str]()
        self._swept = threading.Event()
        self.known: Kept | None = None

    def begin(self, store: Store, watched: Iterable[Watched]) -> None:
        """At the start: the roots of settings that are new to this host."""
        self.known = kept(store)
        self._judge.has_baseline = self.known is not None
        self._new = self._settings - set(self.known.header["settings"] if self.known else ())
        self._acceptance.settings = sorted(self._settings - self._new)
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
        if not self._swept.is_set() or len(self._judge.hashing):
            return
        self._swept.clear()
        self._judge.enrolling = set()
        if self._new:
            self._enrolled()
        self.known = self._judge.ask(kept)

    def root_swept(self, root: bytes) -> None:
        """A root that came later is judged; the judge's thread calls."""
        self._judge.enrolling = self._judge.enrolling - {root}

    def _enrolled(self) -> None:
        severity: Severity | None = "high" if self.known and not self._windows.open else None
        entries = self._judge.ask(Store.count)
        self._recorder.note("enrolled", severity, settings=sorted(self._new), entries=entries)
        self._acceptance.settings = sorted(self._settings)
        self._acceptance.make("", "watched for the first time", "sentinel")
        self._new = set()

    def _of_containers(self, store: Store, new: Iterable[Watched], gone: Iterable[Watched]) -> None:
        """An image's layers are taken as they are; what lies in an upper layer has been written, and is told."""
        for one in filter(of_container, gone):
            self._bounds.remove(store, one.root)
        appeared = [one for one in filter(of_container, new) if self._bounds.add(store, one.root)]
        lowers = {one.root for one in appeared if "lower" in one.origin}
        self._judge.enrolling = self._judge.enrolling | lowers
        for name in sorted({one.container or "" for one in appeared}):
            self._appeared(name)

    def _appeared(self, container: str) -> None:
        run = self._windows.announced(container)
        severity: Severity | None = None if run or not self.known else "high"
        self._recorder.note("container_appeared", severity, container=container, run=run)
