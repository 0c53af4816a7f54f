"""The judge: what lies there against what is known, whatever order the events come in."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.sentinel import contents, deviations, judge
from service.sentinel.configuration import Configuration
from service.sentinel.dirty import Dirty
from service.sentinel.event import Event, What
from service.sentinel.judge import Judge
from service.sentinel.layout import Layout
from service.sentinel.names import Names
from service.sentinel.record import Recorder
from service.sentinel.store import Store
from service.sentinel.territory import Territory, Watched
from service.sentinel.window import Windows


@dataclass
class Bench:
    """A judge whose thread does not run: `judge` lets it judge what is dirty."""

    root: Path
    store: Store
    dirty: Dirty
    judge: Judge
    log: Path

    def event(self, name: str, what: What, directory: bool = False) -> None:
        path = os.fsencode(self.root / name)
        self.dirty.event(path, Event(path, what, directory, time.time()), None)

    def judged(self) -> None:
        while len(self.dirty):
            self.judge.judge(self.dirty.take(100, 0.1)[0])

    def settled(self, name: str, what: What) -> None:
        """The event, and all that comes of it, the content that is read elsewhere too."""
        self.event(name, what)
        self.judged()
        while len(self.judge.hashing):
            time.sleep(0.005)
        self.judged()

    def known(self) -> set[str]:
        return {os.path.relpath(os.fsdecode(path), self.root) for path, _ in self.store.every()}

    def told(self) -> list[tuple[str, str]]:
        lines = [json.loads(line) for line in self.log.read_bytes().splitlines()]
        return [(line["what"], os.path.relpath(line["path"], self.root)) for line in lines if line["event"] == "alert"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    root, log = tmp_path / "tree", tmp_path / "log" / "alerts.jsonl"
    root.mkdir()
    log.parent.mkdir()
    configuration = Configuration(())
    recorder = Recorder(log, configuration, tmp_path)
    territory = Territory([Watched(os.fsencode(root), "x", "high", "alert", "x")])
    store, dirty = Store(tmp_path / "state.db"), Dirty(0.0)
    the_judge = Judge(
        store,
        dirty,
        recorder,
        Windows(Layout(tmp_path)),
        territory=lambda: territory,
        meanings=lambda path: (),
        sweep=lambda path: None,
        react=lambda change, reaction: None,
        names=Names(lambda path, *, again: False, dirty),
    )
    one = Bench(root, store, dirty, the_judge, log)
    one.event(".", "metadata", True)
    one.dirty.sweep([os.fsencode(root)])
    one.judged()
    yield one
    dirty.close()
    the_judge.hashing.close()
    recorder.close()


def test_what_was_put_into_a_directory_that_went_unnoticed_goes_with_it(bench: Bench) -> None:
    """Made, gone, made again with a file in it, and gone: the events came while another batch was judged."""
    (bench.root / "a").mkdir()
    (bench.root / "a/file").write_text("x")
    bench.event("a/file", "created")
    bench.judge.judge(bench.dirty.take(1, 0.1)[0])
    assert ("created", "a/file") in bench.told()
    shutil.rmtree(bench.root / "a")
    bench.judged()  # Of the directory itself no event has come yet.
    assert bench.known() == {"."}
    assert ("removed", "a/file") in bench.told()


def test_a_directory_whose_end_is_told_takes_what_is_known_below_it(bench: Bench) -> None:
    (bench.root / "a/b").mkdir(parents=True)
    (bench.root / "a/b/file").write_text("x")
    bench.event("a/b/file", "created")
    bench.judge.judge(bench.dirty.take(1, 0.1)[0])
    shutil.rmtree(bench.root / "a")
    bench.event("a", "removed", True)
    bench.judged()
    assert bench.known() == {"."}


def test_a_new_file_makes_its_directories_known(bench: Bench) -> None:
    (bench.root / "a/b/c").mkdir(parents=True)
    (bench.root / "a/b/c/file").write_text("x")
    bench.event("a/b/c/file", "created")
    bench.judged()
    assert bench.known() == {".", "a", "a/b", "a/b/c", "a/b/c/file"}


@pytest.fixture
def weights(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the baseline that is read elsewhere, as large ones are."""
    monkeypatch.setattr(judge, "LARGE", 3)
    monkeypatch.setattr(contents, "LARGE", 3)
    file = bench.root / "weights"
    file.write_text("good")
    file.chmod(0o600)
    bench.settled("weights", "created")
    deviations.accept(bench.store, None)
    deviations.settle(bench.store)
    return file


def test_a_content_that_is_not_read_yet_is_not_what_the_baseline_says(bench: Bench, weights: Path) -> None:
    """Who changes a file and sets its time back leaves nothing else to see for as long as it is being read."""
    right = weights.stat().st_mtime_ns
    weights.write_text("evil")
    bench.settled("weights", "changed")
    assert deviations.count(bench.store) == 1
    os.utime(weights, ns=(right, right))
    bench.settled("weights", "metadata")
    (found,) = deviations.every(bench.store)
    assert found.kept is not None
    assert found.kept.sha256 == hashlib.sha256(b"good").digest()

    weights.write_text("good")
    os.utime(weights, ns=(right, right))
    bench.settled("weights", "changed")
    assert deviations.count(bench.store) == 0


def test_a_mode_that_is_put_right_while_the_content_is_read_deviates_no_more(bench: Bench, weights: Path) -> None:
    for mode, deviating in ((0o644, 1), (0o600, 0)):
        weights.chmod(mode)
        bench.settled("weights", "metadata")
        assert deviations.count(bench.store) == deviating


def test_the_source_is_told_of_several_names_when_the_file_is_kept(bench: Bench) -> None:
    """What else was done is found by a search of what is kept, and that begins after it."""
    kept: list[bool] = []
    reader = Store(bench.store.path, readonly=True)

    def linked(path: bytes, *, again: bool) -> bool:
        kept.append(reader.get(path) is not None)
        return False

    bench.judge._names = Names(linked, bench.dirty)
    (bench.root / "file").write_text("x")
    os.link(bench.root / "file", bench.root.parent / "outside")
    bench.event("file", "created")
    bench.judged()
    assert kept == [True]
