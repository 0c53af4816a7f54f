"""What lies there against what is known: what differs is told, and only then known."""

from __future__ import annotations

import itertools
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from service.sentinel import deviations
from service.sentinel.answered import answered
from service.sentinel.change import Change
from service.sentinel.configuration import Reaction
from service.sentinel.containers import Meaning
from service.sentinel.contents import Contents
from service.sentinel.dirty import Dirt, Dirty
from service.sentinel.entry import Entry, differences
from service.sentinel.hashing import Hashing
from service.sentinel.look import LARGE, Unreadable, look
from service.sentinel.names import Names
from service.sentinel.record import Finding, Recorder
from service.sentinel.store import ENROLLED, SETTLED, UNREADABLE, UNTOLD, Known, Pending, Store
from service.sentinel.territory import Territory, Watched
from service.sentinel.tick import SIGN
from service.sentinel.verdict import Verdicts
from service.sentinel.window import Windows

_BATCH = 256
T = TypeVar("T")


class _UntoldError(Exception):
    """The log takes no lines."""


class Judge(threading.Thread):
    """The only one that writes the store. Takes what is dirty, looks, tells, keeps; in batches, so that many changes
    share one write to the disk. What could not be told is not kept: the next sweep finds it again.
    """

    def __init__(
        self,
        store: Store,
        dirty: Dirty,
        recorder: Recorder,
        windows: Windows,
        *,
        territory: Callable[[], Territory],
        meanings: Callable[[bytes], Sequence[Meaning]],
        sweep: Callable[[bytes], None],
        react: Callable[[Change, Reaction], None],
        names: Names,
    ) -> None:
        super().__init__(name="judge", daemon=True)
        self._store, self._dirty, self._recorder, self._windows = store, dirty, recorder, windows
        self._territory, self._sweep, self._react, self._names = territory, sweep, react, names
        self._verdicts = Verdicts(windows, meanings)
        self.hashing = Hashing(dirty.hashed)
        self._contents = Contents(dirty, self.hashing, windows)
        self.enrolling: set[bytes] = set()
        """Roots whose entries are taken as they are found: nothing was known of them before."""
        self.has_baseline = False
        self.alive = time.monotonic()
        self.alerts = self.by_sweep = self.unreadable = 0
        """Since the start: changes that nobody announced, changes that no event had told, what could not be read."""
        self.untold = 0
        """Batches that had to be given back since the last that was kept."""
        self._waiting: set[bytes] = set()
        self._findings: list[tuple[Finding, Reaction]] = []
        self._closed = False

    def run(self) -> None:
        while not self._closed:
            self.alive = time.monotonic()
            dirts, calls = self._dirty.take(_BATCH, SIGN)
            try:
                self.judge(dirts)
            except sqlite3.Error as error:
                self._forget(dirts, f"the state cannot be kept: {error}")
            except _UntoldError:
                self._forget(dirts, "the log takes no lines")
            for call in calls:
                call()
            if calls:
                self._store.commit()

    def close(self) -> None:
        """What has been taken is judged; the rest is found at the next start."""
        self._closed = True
        self._dirty.close()
        self.join()
        self.hashing.close()
        self._store.commit()
        self._store.close()

    def ask(self, what: Callable[[Store], T], seconds: float = 600) -> T:
        """Do this with the store when what is dirty now has been judged. Raises what it raises, and TimeoutError."""
        return answered(self._dirty, self._store, what, seconds)

    def settled(self, seconds: float) -> bool:
        """Wait until every content that is wanted has been read, and judged; False: not in that time."""
        end = time.monotonic() + seconds
        while len(self.hashing) or self._waiting:
            if time.monotonic() >= end:
                return False
            time.sleep(0.02)
        self.ask(lambda _: None)
        return True

    def keep(self, name: str, value: str | None) -> None:
        """A fact; in the judge's own thread."""
        self._store.note(name, value)

    def judge(self, dirts: Sequence[Dirt]) -> None:
        """One batch."""
        if not dirts:
            return
        self._store.prefetch([dirt.path for dirt in dirts])
        territory = self._territory()
        for dirt in dirts:
            self._waiting.discard(dirt.path)
            if watched := territory.of(dirt.path):
                self._one(dirt, watched)
        self._record()
        self._names.kept()

    def _record(self) -> None:
        """Put what was found on the disk; from then on it is known. Raises _UntoldError."""
        if self._findings and not self._recorder.changed_all([finding for finding, _ in self._findings]):
            raise _UntoldError
        self._store.commit()
        self.untold = 0
        findings, self._findings = self._findings, []
        for finding, reaction in findings:
            self._dirty.rest(finding.change.path)
            self._windows.count(finding.planned_by)
            self.by_sweep += finding.change.found_by == "sweep"
            if finding.planned_by is None:
                self.alerts += 1
                if reaction != "alert":
                    self._react(finding.change, reaction)

    def _forget(self, dirts: Sequence[Dirt], why: str) -> None:
        """Nothing of this batch is known: it is judged again in a while, and by the next sweep at the latest."""
        self.untold += 1
        self._findings.clear()
        try:
            self._store.rollback()
        except sqlite3.Error as error:
            why = f"{why}; {error}"
        if self.untold == 1:
            self._recorder.note("not_kept", "critical", why=why, paths=len(dirts))
        for dirt in dirts:
            self._dirty.after(5.0, dirt)

    def _one(self, dirt: Dirt, watched: Watched) -> None:
        known = self._store.get(dirt.path)
        try:
            now = look(dirt.path, watched.content, LARGE, several=self._names.seen)
        except Unreadable as error:
            self._cannot(dirt, watched, known, error)
            return
        if now is None:
            self._gone(dirt, watched, known)
            return
        pending: Pending = SETTLED
        if watched.content and now.kind == "file" and now.sha256 is None:
            enrolled = known.pending == ENROLLED if known else self._enrolled(dirt, watched)
            if (content := self._contents.of(dirt, known, now, enrolled)) is None:
                return
            now, pending = content
        self._there(dirt, watched, known, now, pending)

    def _there(self, dirt: Dirt, watched: Watched, known: Known | None, now: Entry, pending: Pending) -> None:
        before = known.entry if known else None
        if known is None:
            self._above(dirt, watched)
            if self._enrolled(dirt, watched):
                self._store.put(dirt.path, now, pending)
                if self.has_baseline and not watched.container:
                    deviations.deviate(self._store, dirt.path, None, now, planned=True)
                return
            if not self._tell(dirt, watched, "created", None, now):
                return
        elif known.pending == ENROLLED:
            self._store.put(dirt.path, now, pending)
            return
        elif differences(known.entry, now) or (known.pending == UNTOLD and not known.entry.sha256 and now.sha256):
            if known.entry.kind == "directory" != now.kind:
                self._remove_below(dirt, watched)
            if not self._tell(dirt, watched, "changed", before, now):
                return
        elif known.pending != SETTLED and now.sha256:
            deviations.review(self._store, dirt.path, now)
        if before and now.sha256 is None and before.kind == now.kind:
            now = now._replace(sha256=before.sha256)  # The last that was told, until the new one is.
        self._store.put(dirt.path, now, pending)
        if now.kind == "directory" and (dirt.appeared or known is None) and dirt.found_by == "event":
            self._sweep(dirt.path)

    def _above(self, dirt: Dirt, watched: Watched) -> None:
        """No sweep looks into a directory that nobody knows: what is new in one makes sure that it is looked at too."""
        directory = dirt.path.rpartition(b"/")[0]
        if len(directory) >= len(watched.root) and not self._store.has(directory):
            self._dirty.after(0.0, Dirt(directory, dirt.at, "sweep"))

    def _gone(self, dirt: Dirt, watched: Watched, known: Known | None) -> None:
        if known is None:
            if dirt.directory or dirt.found_by == "sweep":
                self._remove_below(dirt, watched)
            if dirt.appeared:
                self._tell(dirt, watched, "transient", None, None)
            return
        if known.entry.kind == "directory":
            self._remove_below(dirt, watched)
        if self._tell(dirt, watched, "removed", known.entry, None):
            self._store.remove(dirt.path)

    def _remove_below(self, dirt: Dirt, watched: Watched) -> None:
        """In pieces: it may be very much."""
        after: bytes | None = None
        while some := list(itertools.islice(self._store.below(dirt.path, after), _BATCH)):
            for path, known in some:
                inner = self._territory().of(path)
                if inner and self._tell(replace(dirt, path=path), inner, "removed", known.entry, None):
                    self._store.remove(path)
                after = path
            if len(some) == _BATCH:
                self._record()
                self.alive = time.monotonic()

    def _cannot(self, dirt: Dirt, watched: Watched, known: Known | None, error: Unreadable) -> None:
        """It is said once; what was known of it stays known, and it is tried again by every sweep."""
        if known is None:
            self._dirty.after(60.0, dirt)
        elif known.pending != UNREADABLE:
            self._store.put(dirt.path, known.entry, UNREADABLE)
        if known is None or known.pending != UNREADABLE:
            self.unreadable += 1
            self._recorder.note("unreadable", watched.severity, set=watched.set, why=str(error))

    def _enrolled(self, dirt: Dirt, watched: Watched) -> bool:
        return watched.root in self.enrolling and not (dirt.found_by == "event" and dirt.appeared)

    def _tell(self, dirt: Dirt, watched: Watched, what: Any, before: Entry | None, after: Entry | None) -> bool:
        """False: it is not told yet, and must not be known yet."""
        change = Change(dirt.path, watched.set, what, before, after, dirt.at, dirt.found_by, who=dirt.who)
        findings = self._verdicts.of(change, watched)
        if not watched.container and findings[0].planned_by is None and (wait := self._verdicts.patience(dirt)):
            self._waiting.add(dirt.path)
            self._dirty.after(wait, replace(dirt, since=dirt.since or time.monotonic()))
            return False
        self._findings += [(finding, watched.reaction) for finding in findings]
        if what != "transient" and findings:
            planned = all(finding.planned_by is not None for finding in findings)
            deviations.deviate(self._store, dirt.path, before, after, planned)
        return True
