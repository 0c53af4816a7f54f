"""What is believed at the start: the state, if it says what the baseline says; else the baseline that was signed."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from service.sentinel import deviations
from service.sentinel.baseline import Baseline, BaselineError
from service.sentinel.layout import Layout
from service.sentinel.record import Recorder
from service.sentinel.saying import rebuilt
from service.sentinel.store import Store


class Bounds(Protocol):
    """What a baseline speaks of: of what the settings name, never of a container's files."""

    def covers(self, path: bytes) -> bool:
        """Whether the next one says what lies there."""

    def may_say(self, path: bytes) -> bool:
        """Whether an earlier one may have said it, under other settings."""


@dataclass(frozen=True)
class Kept:
    """The baseline that this host made or got signed last, as the state knows it."""

    header: dict[str, Any]
    sha256: str
    entries: int
    signature: str | None = None

    @property
    def sequence(self) -> int:
        return int(self.header["sequence"])

    @property
    def made(self) -> float:
        """Seconds since 1970."""
        return datetime.fromisoformat(self.header["made"]).timestamp()


def kept(store: Store, name: str = "baseline") -> Kept | None:
    """`next`: one that is about to be put in place."""
    given = store.fact(name)
    return Kept(**json.loads(given)) if given else None


def keep(store: Store, one: Kept | None, name: str = "baseline") -> None:
    store.note(name, json.dumps(vars(one)) if one else None)


def opened(layout: Layout, note: Callable[..., object]) -> Store:
    """The state; one that cannot be read is put aside, and said."""
    had = layout.log.exists() and layout.log.stat().st_size > 0
    if not layout.database.exists():
        if had:
            note("state_lost", "critical", why=f"{layout.database} is gone; what is known is rebuilt from the baseline")
        return Store(layout.database)
    try:
        store = Store(layout.database)
        store.count()
        return store
    except sqlite3.DatabaseError as error:
        note("state_lost", "critical", why=f"{layout.database}: {error}; it is put aside and rebuilt from the baseline")
        for end in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                broken = layout.database.with_name(layout.database.name + end)
                broken.rename(broken.with_name(f"{broken.name}.{int(time.time())}"))
        return Store(layout.database)


def begin(store: Store, baseline: Baseline, bounds: Bounds, recorder: Recorder) -> None:
    """Bring state and baseline together before anything is judged."""
    _finish(store, baseline, bounds)
    store.commit()
    known = kept(store)
    if known is None:
        _from_nothing(store, baseline, bounds, recorder)
    elif why := edited(baseline, known):
        recorder.note("baseline_edited", "critical", why=why)
        restore(baseline, known, bounds.may_say, recorder)
    elif not baseline.agrees(store, bounds.may_say):
        count = rebuilt(store, baseline.entries(), bounds.may_say)
        why = "what was alerted does not go with the baseline any more; it is found and alerted again"
        recorder.note("state_edited", "critical", why=why, corrected=count)
    store.commit()


def edited(baseline: Baseline, known: Kept) -> str | None:
    """What is wrong with the files, None when nothing is."""
    found = baseline.summary()
    if found is None:
        return "baseline.json is gone or no baseline's"
    if (found.sequence, found.sha256) != (known.sequence, known.sha256):
        return f"baseline.json says sequence {found.sequence}, expected {known.sequence} and its digest"
    if known.signature and not found.signed:
        return "the operator's signature is gone or does not hold"
    if baseline.digest() != known.sha256:
        return "baseline.jsonl.gz is not the one that was made"
    return None


def restore(baseline: Baseline, known: Kept, included: Callable[[bytes], bool], recorder: Recorder) -> None:
    """Make the files anew as the state says they were; the operator's copy tells whether that is true."""
    try:
        again = baseline.write(known.header, included)
        if again.sha256 == known.sha256:
            baseline.replace(again, known.signature or "")
    except BaselineError as error:
        recorder.note("baseline_not_restored", "critical", why=str(error))
        return
    same = again.sha256 == known.sha256
    told = "it is what it was" if same else "it cannot be made again: the state does not say the same"
    recorder.note("baseline_restored" if same else "baseline_not_restored", None if same else "critical", why=told)


def settle(store: Store, coming: Kept, bounds: Bounds) -> None:
    """The baseline lies there. What is not watched any more is forgotten."""
    deviations.settle(store)
    keep(store, coming)
    keep(store, None, "next")
    forgotten = [path for path, _ in store.every() if bounds.may_say(path) and not bounds.covers(path)]
    for path in forgotten:
        store.remove(path)
        deviations.forget(store, path)


def _finish(store: Store, baseline: Baseline, bounds: Bounds) -> None:
    """A baseline was being put in place when the process ended."""
    coming = kept(store, "next")
    if coming is None:
        return
    found = baseline.summary()
    if found and (found.sequence, found.sha256) == (coming.sequence, coming.sha256):
        settle(store, coming, bounds)
    else:
        deviations.withdraw(store)
        keep(store, None, "next")


def _from_nothing(store: Store, baseline: Baseline, bounds: Bounds, recorder: Recorder) -> None:
    """The state is new. With a baseline it says what that says; the sweep then finds what is different."""
    stem = baseline.trusted()
    found = baseline.summary(stem or "baseline")
    if found is None:
        return
    if stem is None:
        recorder.note("baseline_unsigned", "critical", why="the state is rebuilt from a baseline that nobody signed")
    try:
        count = rebuilt(store, baseline.entries(stem or "baseline"), bounds.may_say)
    except BaselineError as error:
        store.rollback()
        recorder.note("baseline_edited", "critical", why=str(error))
        return
    header = baseline.header(stem or "baseline")
    signature = baseline.path("sig", stem).read_text() if stem else None
    if stem == "previous":
        baseline.bring_back()
    keep(store, Kept(header, found.sha256, found.entries, signature))
    recorder.note("state_rebuilt", "high", baseline=found.sequence, signed=found.signed, entries=count)
