"""Who is told of a file that has several names, and when."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.sentinel.dirty import Dirty
from service.sentinel.entry import Entry
from service.sentinel.event import Named
from service.sentinel.look import look
from service.sentinel.names import Names
from service.sentinel.store import Store
from service.sentinel.sweep import _MOST_NAMED, Sweeper
from service.sentinel.territory import Territory, Watched


class Source:
    """What it was told; whether that was new to it; how it is to be asked."""

    def __init__(self, new: bool, again: bool = True) -> None:
        self.new, self.again, self.told = new, again, list[bytes]()

    def linked(self, path: bytes, *, again: bool) -> bool:
        assert again == self.again
        self.told.append(path)
        return self.new


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """`file` and `other` are one file, `single` is not."""
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/file").write_bytes(b"x")
    os.link(tmp_path / "tree/file", tmp_path / "tree/other")
    (tmp_path / "tree/single").write_bytes(b"x")
    return tmp_path / "tree"


@pytest.fixture
def known(place: Path) -> dict[str, Entry]:
    """By name; kept in `state.db`."""
    store, found = Store(place.parent / "state.db"), dict[str, Entry]()
    for name in ("", "file", "other", "single"):
        entry = look(os.fsencode(place / name))
        assert entry
        found[name] = entry
        store.put(os.fsencode(place / name), entry)
    store.commit()
    store.close()
    return found


@pytest.mark.parametrize("new", [True, False])
def test_what_is_new_to_the_source_is_looked_at_once_more_when_it_is_kept(
    place: Path, known: dict[str, Entry], new: bool
) -> None:
    """What was done by its other name between the look and that, nobody told."""
    source, dirty = Source(new), Dirty(0.0)
    names = Names(source.linked, dirty)
    for name in ("", "file", "single", "none"):
        look(os.fsencode(place / name), several=names.seen)
    assert not source.told
    for _ in range(2):
        names.kept()
        assert source.told == [os.fsencode(place / "file")]
    dirts, _ = dirty.take(10, 0.1)
    assert [dirt.path for dirt in dirts] == (source.told if new else [])


def test_what_got_a_name_is_not_searched_for_before_that_is_kept_which_the_judge_is_at(place: Path) -> None:
    """He looked at it when it had only one: nobody but a search tells that it has two."""
    store, entry = Store(place.parent / "state.db"), look(os.fsencode(place / "file"))
    assert entry
    with sweeping(place, Source(False, again=False)) as (sweeper, dirty):
        swept = threading.Event()
        sweeper.everything(swept.set)
        taken(dirty, lambda _: swept.is_set())
        sweeper.named(Named(entry.device, entry.inode))
        time.sleep(0.3)
        store.put(os.fsencode(place / "file"), entry)
        store.commit()
        assert taken(dirty, bool) == {"file"}


@contextmanager
def sweeping(place: Path, source: Source, root: str = "") -> Iterator[tuple[Sweeper, Dirty]]:
    dirty, territory = Dirty(0.0), Territory([Watched(os.fsencode(place / root), "x", "high", "alert", "x")])
    sweeper = Sweeper(place.parent / "state.db", dirty, lambda: territory, 3600, lambda _: None, source.linked)
    sweeper.start()
    yield sweeper, dirty
    sweeper.close()
    dirty.close()
    sweeper.join()


def taken(dirty: Dirty, enough: Callable[[set[str]], bool]) -> set[str]:
    """The names that are to be looked at, until there are enough."""
    found, end = set[str](), time.monotonic() + 15
    while not enough(found) and time.monotonic() < end:
        dirts, calls = dirty.take(100, 0.05)
        found |= {os.path.basename(os.fsdecode(dirt.path)) for dirt in dirts}
        for call in calls:
            call()
    return found


@pytest.mark.parametrize(("root", "names"), [("", {"file", "other"}), ("file", {"file"}), ("single", set())])
@pytest.mark.parametrize("new", [True, False])
def test_a_sweep_tells_of_all_and_lets_what_is_new_be_looked_at(
    place: Path, known: dict[str, Entry], new: bool, root: str, names: set[str]
) -> None:
    source, done = Source(new, again=False), threading.Event()
    with sweeping(place, source, root) as (sweeper, dirty):
        sweeper.everything(done.set)
        assert taken(dirty, lambda _: done.is_set()) == (names if new else set())
        assert sweeper.last.differing == 0
    assert {os.path.basename(os.fsdecode(path)) for path in source.told} == names


def test_what_got_a_name_is_looked_at_wherever_it_is_watched(place: Path, known: dict[str, Entry]) -> None:
    done, file = threading.Event(), known["file"]
    with sweeping(place, Source(False, again=False)) as (sweeper, dirty):
        sweeper.everything(done.set)
        taken(dirty, lambda _: done.is_set())
        sweeper.named(Named(file.device, file.inode))
        sweeper.named(Named(file.device, 0))
        assert taken(dirty, lambda found: len(found) == 2) == {"file", "other"}


def test_where_too_many_got_a_name_all_is_swept(place: Path, known: dict[str, Entry]) -> None:
    first = threading.Event()
    with sweeping(place, Source(False, again=False)) as (sweeper, dirty):
        sweeper.everything(first.set)
        taken(dirty, lambda _: first.is_set())
        (place / "single").write_bytes(b"as no event told")
        for number in range(2 * _MOST_NAMED):
            sweeper.named(Named(0, number))
        assert taken(dirty, bool) == {"single"}


def test_all_names_of_files_are_found_among_what_is_known(place: Path, known: dict[str, Entry]) -> None:
    store, file, single = Store(place.parent / "state.db", readonly=True), known["file"], known["single"]
    assert store.named([(file.device, file.inode)]) == [os.fsencode(place / name) for name in ("file", "other")]
    assert len(store.named([(one.device, one.inode) for one in (file, single)])) == 3
    assert not store.named([(file.device + 1, file.inode), (file.device, 0)])
