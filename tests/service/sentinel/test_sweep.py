"""Sweeps: what differs is found, whatever happens meanwhile, and nothing else is."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.sentinel.dirty import LIMIT, Dirt, Dirty
from service.sentinel.entry import Entry
from service.sentinel.event import Event
from service.sentinel.look import look
from service.sentinel.store import Store
from service.sentinel.sweep import Sweeper, Swept
from service.sentinel.territory import Territory, Watched, patterns


def never_linked(path: bytes, *, again: bool) -> bool:
    return False


@dataclass
class Tried:
    """A sweeper over a tree that is known; `taken` takes what it found."""

    root: Path
    store: Store
    dirty: Dirty
    sweeper: Sweeper

    def know(self) -> None:
        for directory, names, files in os.walk(self.root):
            for name in (".", *names, *files):
                path = os.path.normpath(os.path.join(os.fsencode(directory), os.fsencode(name)))
                entry = look(path)
                assert entry
                self.store.put(path, entry)
        self.store.commit()

    def found(self) -> set[str]:
        """The names that a whole sweep finds."""
        done = threading.Event()
        self.sweeper.everything(done.set)
        if not self.sweeper.is_alive():
            self.sweeper.start()
        taken: list[Dirt] = []
        while not done.is_set():
            dirts, calls = self.dirty.take(100, 0.05)
            taken += dirts
            for call in calls:
                call()
        return {os.path.relpath(os.fsdecode(dirt.path), self.root) for dirt in taken}


@pytest.fixture
def swept(tmp_path: Path) -> Iterator[Tried]:
    root = tmp_path / "tree"
    for name in ("a/b/c", "d"):
        (root / name).mkdir(parents=True)
    for name in ("a/one", "a/b/two", "a/b/c/three", "d/four", "d/skipped.log"):
        (root / name).write_text(name)
    store, dirty = Store(tmp_path / "state.db"), Dirty(0.0)
    watched = Watched(os.fsencode(root), "x", "high", "alert", "x", excluded=patterns(["*.log"]))
    territory = Territory([watched])
    sweeper = Sweeper(store.path, dirty, lambda: territory, 3600, lambda _: None, never_linked)
    one = Tried(root, store, dirty, sweeper)
    yield one
    one.sweeper.close()
    dirty.close()
    one.sweeper.join()


def test_all_is_found_where_nothing_is_known(swept: Tried) -> None:
    everything = {str(path.relative_to(swept.root)) for path in swept.root.rglob("*")} | {"."}
    assert swept.found() == everything - {"d/skipped.log"}


def test_nothing_is_found_where_nothing_changed(swept: Tried) -> None:
    swept.know()
    assert swept.found() == set()
    (swept.root / "d/skipped.log").write_text("more")
    assert swept.found() == set()


def test_one_that_takes_long_is_followed_by_a_longer_rest_and_says_so(
    swept: Tried, monkeypatch: pytest.MonkeyPatch
) -> None:
    swept.found()
    assert swept.sweeper.last.every == 3600
    monkeypatch.setattr("service.sentinel.sweep._SHARE", 1e9)
    swept.found()
    assert swept.sweeper.last.every > 3600


def test_each_kind_of_difference_is_found(swept: Tried) -> None:
    swept.know()
    (swept.root / "a/one").write_text("changed")
    (swept.root / "a/b/two").chmod(0o4755)
    (swept.root / "d/zero").write_text("new, behind all others")
    (swept.root / "d/0").write_text("new, before all others")
    (swept.root / "d/four").unlink()
    assert swept.found() == {"a/one", "a/b/two", "d", "d/zero", "d/0", "d/four"}


def test_a_directory_that_is_gone_or_something_else_is_found(swept: Tried) -> None:
    swept.know()
    shutil.rmtree(swept.root / "a")
    shutil.rmtree(swept.root / "d")
    (swept.root / "d").symlink_to("/etc")
    assert swept.found() == {".", "a", "d"}


def test_a_root_that_is_gone_is_found(swept: Tried) -> None:
    swept.know()
    shutil.rmtree(swept.root)
    assert "." in swept.found()


def test_what_is_pending_is_found_again_until_it_is_settled(swept: Tried) -> None:
    swept.know()
    path = os.fsencode(swept.root / "a/one")
    entry = look(path)
    assert entry
    swept.store.put(path, entry, 1)
    swept.store.commit()
    assert swept.found() == {"a/one"}
    swept.store.put(path, entry)
    swept.store.commit()
    assert swept.found() == set()


def test_a_root_that_is_asked_for_does_not_wait_for_the_others(swept: Tried) -> None:
    done = threading.Event()
    swept.sweeper.ask(os.fsencode(swept.root / "a/b"), done.set)
    swept.sweeper.start()
    first = None
    while not done.is_set():
        dirts, calls = swept.dirty.take(1, 0.05)
        first = first or (dirts[0].path if dirts else None)
        for call in calls:
            call()
    assert first == os.fsencode(swept.root / "a/b")


def test_what_is_found_is_handed_over_in_pieces_and_each_is_judged_before_the_next(swept: Tried) -> None:
    for number in range(2500):
        (swept.root / str(number)).touch()
    swept.sweeper.ask(os.fsencode(swept.root), (done := threading.Event()).set)
    swept.sweeper.start()
    found, most = set(), 0
    while not done.is_set():
        dirts, calls = swept.dirty.take(100, 0.05)
        most = max(most, len(dirts) + len(swept.dirty))
        found |= {dirt.path for dirt in dirts}
        for call in calls:
            call()
    assert len(found) == 2509
    assert most <= 1001  # With the root itself.


def test_a_sweep_says_what_it_saw(tmp_path: Path, swept: Tried) -> None:
    said: list[Swept] = []
    territory = Territory([Watched(os.fsencode(swept.root), "x", "high", "alert", "x")])
    swept.sweeper = Sweeper(swept.store.path, swept.dirty, lambda: territory, 3600, said.append, never_linked)
    swept.know()
    swept.found()
    assert [(one.seen, one.differing, one.unreadable) for one in said] == [(9, 0, [])]


def _event(name: str, what: str = "created") -> Event:
    return Event(name.encode(), what, False, 1.0)  # type: ignore[arg-type]


def test_a_path_is_dirty_once_with_all_that_was_said_of_it() -> None:
    dirty = Dirty(0.0)
    for what in ("created", "changed", "removed"):
        dirty.event(b"/x", _event("/x", what), None)
    dirty.sweep([b"/x"], again=True)
    (dirt,), _ = dirty.take(10, 0)
    assert (dirt.appeared, dirt.again, dirt.found_by, dirt.at) == (True, True, "event", 1.0)
    assert dirty.take(10, 0) == ([], [])


def test_what_was_just_alerted_rests_and_is_not_forgotten() -> None:
    dirty = Dirty(60)
    dirty.rest(b"/x")
    dirty.event(b"/x", _event("/x"), None)
    dirty.event(b"/y", _event("/y"), None)
    assert [dirt.path for dirt in dirty.take(10, 0)[0]] == [b"/y"]
    dirty = Dirty(0.2)
    dirty.rest(b"/x")
    dirty.event(b"/x", _event("/x"), None)
    assert [dirt.path for dirt in dirty.take(10, 60)[0]] == [b"/x"]


def test_a_call_comes_after_all_that_was_dirty_before_it_even_what_rests() -> None:
    dirty, called = Dirty(60.0), []
    dirty.rest(b"/x")
    dirty.event(b"/x", _event("/x"), None)
    dirty.call(lambda: called.append("now"))
    dirty.event(b"/later", _event("/later"), None)
    dirts, calls = dirty.take(1, 0)
    assert ([dirt.path for dirt in dirts], len(calls)) == ([b"/x"], 1)


def test_what_was_taken_is_judged_when_more_is_taken() -> None:
    dirty, judged = Dirty(0.0), threading.Event()
    dirty.sweep([b"/x", b"/y"])

    def wait() -> None:
        dirty.judged(60.0)
        judged.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    for _ in range(2):
        assert len(dirty.take(1, 0)[0]) == 1
        assert not judged.wait(0.05)
    dirty.take(1, 0)
    assert judged.wait(5)
    waiting.join()


def test_nobody_waits_for_a_judge_that_ended() -> None:
    dirty = Dirty(0.0)
    dirty.sweep([b"/x"])
    dirty.close()
    dirty.judged(60.0)


def test_nobody_waits_long_for_a_judge_that_is_busy() -> None:
    dirty = Dirty(0.0)
    dirty.sweep([b"/x"])
    began = time.monotonic()
    dirty.judged(0.05)
    assert 0.05 <= time.monotonic() - began < 5


def test_there_is_an_end_to_what_is_kept_in_mind() -> None:
    dirty = Dirty(0.0)
    assert all(dirty.event(f"/{n}".encode(), _event(f"/{n}"), None) for n in range(LIMIT))
    assert not dirty.event(b"/more", _event("/more"), None)
    assert dirty.event(b"/1", _event("/1"), None)  # It is in it already.
    entry = Entry("file", 0, 0, 0, 0, 0, 0, 0, 0)
    dirty.hashed(b"/read", entry)  # What was waited for finds a place.
    assert len(dirty) == LIMIT + 1
