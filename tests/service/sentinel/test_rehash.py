"""Reading everything again in the course of a day."""

from __future__ import annotations

import os
from pathlib import Path
from typing import cast

import pytest

from service.sentinel.dirty import Dirty
from service.sentinel.judge import Judge
from service.sentinel.look import look
from service.sentinel.rehash import Rehash
from service.sentinel.store import Store


class Facts:
    """Of a judge, what keeps a fact."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def keep(self, name: str, value: str | None) -> None:
        self.store.note(name, value)
        self.store.commit()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    made = Store(tmp_path / "state.db")
    for number in range(40):
        (tmp_path / str(number)).write_bytes(b"x" * 1000)
        entry = look(os.fsencode(tmp_path / str(number)))
        assert entry
        made.put(os.fsencode(tmp_path / str(number)), entry)
    made.commit()
    return made


def _steps(store: Store, hours: float, count: int) -> list[bytes]:
    """What so many steps of ten seconds read, after a restart."""
    dirty, reader = Dirty(0.0), Store(store.path, readonly=True)
    rehash = Rehash(store.path, dirty, cast(Judge, Facts(store)), hours)
    rehash._resume(reader)
    found: list[bytes] = []
    for _ in range(count):
        rehash._count(reader, at_once=False)
        rehash._spent += 10
        rehash._step(reader)
        dirts, calls = dirty.take(100, 0)
        assert all(dirt.again for dirt in dirts)
        found += [dirt.path for dirt in dirts]
        for call in calls:
            call()
    return found


def test_a_round_takes_the_hours_that_are_set_and_reads_each_once(store: Store) -> None:
    found = _steps(store, 400 / 3600, 20)  # Half of 400 seconds.
    assert 18 <= len(found) <= 22
    found += _steps(store, 400 / 3600, 20)  # After a restart, where it was.
    assert len(found) == len(set(found)) == 40


def test_everything_at_once_is_read_from_the_start(store: Store) -> None:
    dirty = Dirty(0.0)
    rehash = Rehash(store.path, dirty, cast(Judge, Facts(store)), 10_000)
    rehash.start()
    rehash.everything()
    found: set[bytes] = set()
    while len(found) < 40:
        dirts, _ = dirty.take(100, 5)
        assert dirts
        found |= {dirt.path for dirt in dirts}
    rehash.close()
    rehash.join()
    assert len(found) == 40


def test_where_nothing_is_to_be_read_that_is_not_asked_all_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "state.db")
    rehash = Rehash(store.path, Dirty(0.0), cast(Judge, Facts(store)), 24)
    counted: list[Path] = []

    def sizes(self: Store) -> list[int]:
        counted.append(self.path)
        return []

    monkeypatch.setattr(Store, "sizes", sizes)
    for _ in range(5):
        rehash._count(store, at_once=False)
    assert len(counted) == 1
    rehash._count(store, at_once=True)
    assert len(counted) == 2
