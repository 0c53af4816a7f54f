"""What was alerted, kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.sentinel import deviations
from service.sentinel.entry import Entry
from service.sentinel.look import look
from service.sentinel.store import ENROLLED, Store, stamp

A, B = (Entry("file", 0o644, 0, 0, size, 1, 2, 3, 4, bytes(32)) for size in (1, 2))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "state.db")


def test_every_kind_comes_back_as_it_was_put(store: Store, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    for name in ("", "file", "link", "pipe"):
        path = os.fsencode(tmp_path / name)
        entry = look(path)
        assert entry
        store.put(path, entry, ENROLLED)
        for _ in range(2):  # As put, and as the database has it.
            known = store.get(path)
            assert known
            assert (known.entry, known.pending) == (entry, ENROLLED)
            store.commit()


def test_the_stamp_is_what_lstat_says_until_something_is_pending(store: Store, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path)
    entry = look(path)
    assert entry
    store.put(path, entry)
    store.commit()
    assert store.stamp(path) == stamp(os.lstat(path))
    store.put(path, entry, ENROLLED)
    store.commit()
    assert store.stamp(path) == b""


def test_a_directory_has_its_children_in_order_and_nobody_elses(store: Store) -> None:
    for path in (b"/a/b", b"/a/a", b"/a", b"/a/b/c", b"/a-b/x", b"/a0", b"/"):
        store.put(path, A)
    store.commit()
    assert [name for name, _ in store.children(b"/a")] == [b"a", b"b"]
    assert [name for name, _ in store.children(b"/")] == [b"a", b"a0"]
    assert [path for path, _ in store.below(b"/a")] == [b"/a/a", b"/a/b", b"/a/b/c"]
    store.remove_below(b"/a")
    assert [path for path, _ in store.every()] == [b"/", b"/a", b"/a0", b"/a-b/x"]
    assert [path for path, _ in store.every(b"/a")] == [b"/a0", b"/a-b/x"]
    assert len(list(store.below(b"/"))) == 3


def test_what_was_asked_for_ahead_is_never_old(store: Store) -> None:
    store.put(b"/a", A)
    store.commit()
    store.prefetch([b"/a", b"/b"])
    assert store.get(b"/b") is None
    store.put(b"/a", B)
    store.put(b"/b", B)
    store.commit()
    for path in (b"/a", b"/b"):
        known = store.get(path)
        assert known
        assert known.entry == B
    store.remove(b"/a")
    assert store.get(b"/a") is None


def test_what_is_rolled_back_was_never_known(store: Store) -> None:
    store.put(b"/a", A)
    store.note("fact", "1")
    store.rollback()
    assert store.get(b"/a") is None
    assert store.fact("fact") is None


def test_others_see_it_when_it_is_committed(store: Store) -> None:
    reader = Store(store.path, readonly=True)
    store.put(b"/a", A)
    assert reader.get(b"/a") is None
    store.commit()
    assert reader.get(b"/a")


def test_what_returns_to_the_baseline_deviates_no_more(store: Store) -> None:
    deviations.deviate(store, b"/a", A, B, planned=False)
    found = deviations.of(store, b"/a")
    assert found
    assert found.kept
    assert found.kept.size == A.size
    deviations.deviate(store, b"/a", B, None, planned=True)
    again = deviations.of(store, b"/a")
    assert again
    assert again.kept
    assert (again.kept.size, again.planned) == (A.size, True)
    deviations.deviate(store, b"/a", None, A, planned=False)
    assert deviations.of(store, b"/a") is None


def test_what_changes_after_it_was_accepted_is_compared_with_that(store: Store) -> None:
    deviations.deviate(store, b"/a", None, A, planned=False)
    assert deviations.accept(store, None) == 1
    deviations.deviate(store, b"/a", A, B, planned=False)
    deviations.settle(store)
    found = deviations.of(store, b"/a")
    assert found
    assert found.kept
    assert found.kept.size == A.size


def test_sizes_are_those_of_contents_that_are_known(store: Store) -> None:
    store.put(b"/a/one", A)
    store.put(b"/a/two", B)
    store.put(b"/a", Entry("directory", 0o755, 0, 0, 4096, 1, 2, 3, 4))
    assert sorted(store.sizes()) == [1, 2]


def test_whether_a_path_is_known_follows_what_is_put_and_removed(store: Store) -> None:
    assert not store.has(b"/a")
    store.put(b"/a", A)
    assert store.has(b"/a")
    store.commit()
    assert store.has(b"/a")
    store.remove(b"/a")
    assert not store.has(b"/a")
    store.rollback()
    assert store.has(b"/a")
