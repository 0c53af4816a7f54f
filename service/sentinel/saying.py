"""What the baseline says, by the state: what is known, but for where that deviates."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from service.sentinel import deviations
from service.sentinel.entry import Entry, differences
from service.sentinel.store import Store


def said(store: Store, included: Callable[[bytes], bool]) -> Iterator[tuple[bytes, Entry]]:
    """What the baseline says by the state: what is known, and where that deviates, what was kept of before."""
    kept = deviations.every(store)
    next_kept = next(kept, None)
    for path, known in store.every():
        while next_kept and _order(next_kept.path) < _order(path):
            if next_kept.kept and not next_kept.accepted and included(next_kept.path):
                yield next_kept.path, next_kept.kept
            next_kept = next(kept, None)
        entry: Entry | None = known.entry
        if next_kept and next_kept.path == path:
            entry = known.entry if next_kept.accepted else next_kept.kept
            next_kept = next(kept, None)
        if entry and included(path):
            yield path, entry
    while next_kept:
        if next_kept.kept and not next_kept.accepted and included(next_kept.path):
            yield next_kept.path, next_kept.kept
        next_kept = next(kept, None)


def rebuilt(store: Store, entries: Iterator[tuple[bytes, Entry]], included: Callable[[bytes], bool]) -> int:
    """Make the state say what the baseline says, nothing more; how many rows it had to correct.

    What deviated is forgotten: the sweep that follows finds it, and tells it, again.
    """
    store.execute("DELETE FROM deviations")
    store.execute("CREATE TEMP TABLE seen (path BLOB PRIMARY KEY) WITHOUT ROWID")
    corrected = 0
    for path, entry in entries:
        store.execute("INSERT OR IGNORE INTO seen VALUES (?)", (path,))
        known = store.get(path)
        if known is None or differences(known.entry, entry) or known.entry.sha256 != entry.sha256:
            store.put(path, entry)
            corrected += 1
    unseen = "SELECT 1 FROM seen WHERE path=?"
    extra = [path for path, _ in store.every() if included(path) and not store.execute(unseen, (path,)).fetchone()]
    for path in extra:
        store.remove(path)
    store.execute("DROP TABLE seen")
    return corrected + len(extra)


def _order(path: bytes) -> tuple[bytes, bytes]:
    directory, _, name = path.rpartition(b"/")
    return directory, name
