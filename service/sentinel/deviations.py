"""Where what is known differs from the baseline: together they are the baseline, entry by entry.

What was written into a container deviates too, until it is accepted or the container goes; no baseline speaks of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from service.sentinel.entry import Entry, differences, readable
from service.sentinel.store import Store, split
from service.sentinel.written import from_fields, to_fields


@dataclass(frozen=True)
class Deviation:
    """`kept`: what the baseline says of the path, None for nothing. `accepted`: the next baseline will not say it."""

    path: bytes
    kept: Entry | None
    planned: bool
    accepted: bool


def deviate(store: Store, path: bytes, before: Entry | None, after: Entry | None, planned: bool) -> None:
    """Note a change that was told. What is again as the baseline says does not deviate any more.

    What counts is whether what lies there now was announced, whatever had been done to it before.
    """
    found = of(store, path)
    kept = before if found is None or found.accepted else found.kept
    if _same(kept, after):
        forget(store, path)
        return
    text = json.dumps(to_fields(kept)) if kept else None
    store.execute("INSERT OR REPLACE INTO deviations VALUES (?, ?, ?, ?, 0)", (*split(path), text, int(planned)))


def review(store: Store, path: bytes, now: Entry) -> None:
    """Its content has been read and is what was told last: it may be what the baseline says."""
    found = of(store, path)
    if found and not found.accepted and _same(found.kept, now):
        forget(store, path)


def _same(kept: Entry | None, now: Entry | None) -> bool:
    """A content that has not been read yet may be any: who changed a file may have set its time back."""
    if kept is None or now is None:
        return kept is now
    return not differences(kept, now) and not (kept.sha256 and now.sha256 is None)


def of(store: Store, path: bytes) -> Deviation | None:
    query = "SELECT directory, name, kept, planned, accepted FROM deviations WHERE directory=? AND name=?"
    row = store.execute(query, split(path)).fetchone()
    return _made(row) if row else None


def every(store: Store) -> Iterator[Deviation]:
    """By directory and name."""
    query = "SELECT directory, name, kept, planned, accepted FROM deviations ORDER BY directory, name"
    return (_made(row) for row in store.execute(query))


def count(store: Store) -> int:
    return int(store.execute("SELECT count(*) FROM deviations WHERE accepted=0").fetchone()[0])


def accept(store: Store, path: bytes | None, *, planned: bool = False) -> int:
    """Let the next baseline say what is there now, of one path, of all, or of all that was planned; how many."""
    if planned:
        return store.execute("UPDATE deviations SET accepted=1 WHERE planned=1").rowcount
    if path is None:
        return store.execute("UPDATE deviations SET accepted=1").rowcount
    return store.execute("UPDATE deviations SET accepted=1 WHERE directory=? AND name=?", split(path)).rowcount


def settle(store: Store) -> None:
    """The new baseline lies there: what it accepted does not deviate from it."""
    store.execute("DELETE FROM deviations WHERE accepted=1")


def forget(store: Store, path: bytes) -> None:
    """It is not watched any more."""
    store.execute("DELETE FROM deviations WHERE directory=? AND name=?", split(path))


def forget_below(store: Store, root: bytes) -> None:
    """Nor is anything at or below this."""
    forget(store, root)
    query = "DELETE FROM deviations WHERE directory=? OR (directory>=? AND directory<?)"
    store.execute(query, (root, root + b"/", root + b"0"))


def withdraw(store: Store) -> None:
    """The new baseline was never made."""
    store.execute("UPDATE deviations SET accepted=0")


def shown(one: Deviation, now: Entry | None) -> dict[str, Any]:
    """For people and for JSON."""
    told: dict[str, Any] = {"path": readable(one.path), "planned": one.planned}
    told["what"] = "created" if one.kept is None else "changed" if now else "removed"
    if one.kept and now:
        told["differs"] = differences(one.kept, now)
    for name, entry in (("before", one.kept), ("after", now)):
        if entry:
            told[name] = entry.shown()
    return told


def _made(row: tuple[bytes, bytes, bytes | None, int, int]) -> Deviation:
    kept = from_fields(json.loads(row[2])) if row[2] is not None else None
    return Deviation(row[0] + b"/" + row[1], kept, bool(row[3]), bool(row[4]))
