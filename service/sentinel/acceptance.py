"""Making what is there the baseline, and keeping the baseline what it is."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from service.sentinel import deviations
from service.sentinel.baseline import Baseline, BaselineError, Summary
from service.sentinel.beginning import Bounds, Kept, edited, keep, kept, restore, settle
from service.sentinel.judge import Judge
from service.sentinel.record import Recorder
from service.sentinel.store import Store

_FILES = ("jsonl.gz", "json", "sig")


class Acceptance:
    """Any thread but the judge's."""

    def __init__(self, baseline: Baseline, judge: Judge, recorder: Recorder, bounds: Bounds) -> None:
        self._baseline, self._judge, self._recorder, self._bounds = baseline, judge, recorder, bounds
        self.settings: list[str] = []
        """The lines of the settings that a baseline made now speaks for."""
        self._lock = threading.Lock()
        self._seen = self._files()

    def make(self, run: str, reason: str, by: str, paths: Sequence[bytes] | None = ()) -> Summary:
        """The next baseline: the last one, what was planned, and of the rest `paths` (None: all).

        Raises BaselineError, TimeoutError.
        """
        with self._lock:
            before = self._judge.ask(lambda store: self._accept(store, paths))
            made = datetime.now(timezone.utc).isoformat(timespec="seconds")
            sequence = max(before.sequence if before else 0, self._on_disk()) + 1
            header = {"schema": 1, "sequence": sequence, "made": made, "run": run, "reason": reason, "by": by}
            header["settings"] = self.settings
            try:
                summary = self._baseline.write(header, self._bounds.covers)
                coming = Kept(header, summary.sha256, summary.entries)
                self._judge.ask(lambda store: keep(store, coming, "next"))
                self._baseline.replace(summary)
            except OSError as error:
                raise BaselineError(f"no baseline could be put in place: {error}; next: look at the disk") from error
            self._judge.ask(lambda store: settle(store, coming, self._bounds))
            self._seen, self._judge.has_baseline = self._files(), True
            self._recorder.note("baseline_made", **summary.shown(), run=run, reason=reason, by=by)
            return summary

    def sign(self, signature: str) -> Summary:
        """Raises BaselineError."""
        with self._lock:
            summary = self._baseline.sign(signature)
            self._judge.ask(lambda store: self._signed(store, signature))
            self._seen = self._files()
            self._recorder.note("baseline_signed", sequence=summary.sequence, sha256=summary.sha256)
            return summary

    def check(self) -> None:
        """Whether somebody else wrote the files of the baseline; then say it, and make them anew."""
        if self._files() == self._seen or not self._lock.acquire(blocking=False):
            return
        try:
            known = self._judge.ask(kept)
            if known and (why := edited(self._baseline, known)):
                self._recorder.note("baseline_edited", "critical", why=why)
                restore(self._baseline, known, self._bounds.may_say, self._recorder)
            self._seen = self._files()
        finally:
            self._lock.release()

    def differences(self) -> list[dict[str, Any]]:
        """What is not as the baseline says."""
        return self._judge.ask(lambda store: [_shown(store, one) for one in deviations.every(store)])

    def _accept(self, store: Store, paths: Sequence[bytes] | None) -> Kept | None:
        deviations.accept(store, None, planned=True)
        if paths is None:
            deviations.accept(store, None)
        for path in paths or ():
            if not deviations.accept(store, path):
                store.rollback()
                raise BaselineError(
                    f"{os.fsdecode(path)} is as the baseline says; next: casemate baseline diff INVENTORY"
                )
        return kept(store)

    def _on_disk(self) -> int:
        found = self._baseline.summary()
        return found.sequence if found else 0

    def _signed(self, store: Store, signature: str) -> None:
        if known := kept(store):
            keep(store, Kept(known.header, known.sha256, known.entries, signature))

    def _files(self) -> list[tuple[int, ...] | None]:
        return [_stat(os.fsencode(self._baseline.path(part))) for part in _FILES]


def _shown(store: Store, one: deviations.Deviation) -> dict[str, Any]:
    known = store.get(one.path)
    return deviations.shown(one, known.entry if known else None)


def _stat(path: bytes) -> tuple[int, ...] | None:
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
