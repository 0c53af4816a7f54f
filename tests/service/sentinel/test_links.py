"""A file that is watched has a second name that is not, and is changed by that."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.sentinel.event import Named
from service.sentinel.fanotify import Fanotify
from tests.service.sentinel.running import Sentinel, until
from tests.service.sentinel.watching import Watching, mounted

pytestmark = pytest.mark.long


@pytest.fixture(params=["disk", "tmpfs"])
def watching(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Watching]:
    """`root/file` is watched; `outside` lies on the same file system."""
    base = tmp_path / "base"
    options = ("-t", "tmpfs", "none") if request.param == "tmpfs" else ("--bind", str(tmp_path / "folder"))
    (tmp_path / "folder").mkdir()
    with mounted(base, *options):
        (base / "root").mkdir()
        (base / "outside").mkdir()
        (base / "root/file").write_bytes(b"as it was")
        source = Fanotify()
        try:
            one = Watching(source, base / "root")
            one.watch()
            yield one
        finally:
            source.close()


def remember(watching: Watching, name: str = "file") -> bool:
    return watching.source.linked(os.fsencode(watching.base / name), again=True)


def outside(watching: Watching) -> Path:
    return watching.base.parent / "outside/other"


def named(watching: Watching) -> list[Named]:
    return [one for one in watching.all if isinstance(one, Named)]


ACTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "written": (lambda path: path.write_bytes(b"changed"), "changed"),
    "cut": (lambda path: os.truncate(path, 0), "changed"),
    "setuid": (lambda path: path.chmod(0o4755), "metadata"),
    "attribute": (lambda path: os.setxattr(path, "trusted.note", b"x"), "metadata"),
}


@pytest.mark.parametrize("act", ACTS)
def test_what_is_done_by_another_name_is_told_at_the_one_that_is_watched(watching: Watching, act: str) -> None:
    os.link(watching.base / "file", outside(watching))
    assert remember(watching)
    assert not remember(watching)
    watching.settle()
    do, what = ACTS[act]
    do(outside(watching))
    watching.until(("file", what))
    assert not named(watching)


def test_of_a_file_that_is_not_remembered_nothing_is_told(watching: Watching) -> None:
    os.link(watching.base / "file", outside(watching))
    watching.settle()
    outside(watching).write_bytes(b"changed")
    watching.settle("control")
    assert not watching.told()


def test_each_name_that_is_watched_is_told_and_none_of_a_root_that_is_not_any_more(watching: Watching) -> None:
    os.link(watching.base / "file", watching.base / "second")
    assert remember(watching)
    assert remember(watching, "second")
    watching.settle()
    (watching.base / "second").write_bytes(b"changed")
    watching.until(("file", "changed"), ("second", "changed"))
    os.link(watching.base / "file", outside(watching))
    watching.settle()
    watching.source.forget(os.fsencode(watching.base))
    watching.watch()
    outside(watching).write_bytes(b"again")
    watching.settle("control")
    assert not watching.told()


def test_another_file_at_the_path_takes_the_place_of_the_first(watching: Watching) -> None:
    os.link(watching.base / "file", outside(watching))
    remember(watching)
    (watching.base / "file").unlink()
    (watching.base / "file").write_bytes(b"new")
    watching.settle()
    outside(watching).write_bytes(b"of the first, which has no name here any more")
    watching.settle("control")
    assert not watching.told()
    outside(watching).unlink()
    os.link(watching.base / "file", outside(watching))
    assert remember(watching)
    watching.settle()
    outside(watching).write_bytes(b"changed")
    watching.until(("file", "changed"))


def test_a_new_name_is_told_of_even_if_it_is_gone_again_and_nothing_else_is(watching: Watching) -> None:
    file = (watching.base / "file").stat()
    watching.settle()
    for number in range(300):
        (watching.base / f"{number}").write_bytes(b"x")
        (watching.base / f"{number}").rename(outside(watching))
        outside(watching).unlink()
    watching.settle("control")
    assert not named(watching)
    os.link(watching.base / "file", outside(watching))
    outside(watching).unlink()
    watching.wait(lambda: bool(named(watching)), "the name")
    assert set(named(watching)) == {Named(file.st_dev, file.st_ino)}


SOURCES = ["fanotify", "inotify"]


@pytest.fixture(params=["before", "meanwhile", "gone again"])
def linked(sentinel: Sentinel, request: pytest.FixtureRequest) -> Callable[[str], tuple[Path, Any]]:
    """Starts it, changes a watched file by its other name, and returns the file and the last sweep before that."""

    def change(source: str) -> tuple[Path, Any]:
        file, other = sentinel.watched / "weight", sentinel.root / "other"
        file.write_bytes(b"as it was")
        (sentinel.watched / "another").touch()  # What is read again without a reason is this one, for hours.
        if request.param == "before":
            os.link(file, other)
        sentinel.start(source=source)
        if request.param != "before":
            os.link(file, other)
        if request.param == "meanwhile":
            time.sleep(0.5)
        swept = sentinel.status()["swept"]
        other.write_bytes(b"as it was not")
        if request.param == "gone again":
            other.unlink()
        return file, swept

    return change


def test_a_change_by_another_name_is_alerted_and_no_sweep_is_waited_for(
    sentinel: Sentinel, linked: Callable[[str], tuple[Path, Any]]
) -> None:
    file, swept = linked("fanotify")
    line = sentinel.alerted(file, "changed")
    assert "sha256" in line["differs"]
    assert sentinel.status()["swept"] == swept
    sentinel.true()


def test_without_fanotify_it_is_a_sweep_that_finds_it(
    sentinel: Sentinel, linked: Callable[[str], tuple[Path, Any]]
) -> None:
    file, _ = linked("inotify")
    (sentinel.watched / "control").touch()
    sentinel.alerted(sentinel.watched / "control", "created")
    assert not sentinel.alerts(file)
    sentinel.true()
    assert sentinel.alerted(file, "changed")["found_by"] == "sweep"


def test_whenever_a_new_file_gets_its_name_no_last_state_is_lost(sentinel: Sentinel) -> None:
    """While it is looked at, kept, searched for and remembered, and no sweep helps."""
    count, source = 300, random.Random(1)
    (sentinel.root / "outside").mkdir()
    sentinel.start(source="fanotify", group_seconds=0.0)

    def change(number: int) -> None:
        file, other = sentinel.watched / str(number), sentinel.root / f"outside/{number}"
        file.write_text("first")
        time.sleep(source.choice((0, 0.003, 0.02, 0.1)))
        os.link(file, other)
        time.sleep(source.choice((0, 0.001, 0.02)))
        other.write_text(f"last {number}")

    def some(start: int) -> None:
        for number in range(start, count, 3):
            change(number)

    threads = [threading.Thread(target=some, args=(start,)) for start in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = {str(sentinel.watched / str(n)): hashlib.sha256(f"last {n}".encode()).hexdigest() for n in range(count)}

    def told() -> dict[str, str]:
        found = {line["path"]: line["after"].get("sha256") for line in sentinel.alerts() if line.get("after")}
        return {path: found.get(path, "") for path in last}

    until(lambda: told() == last, 120)
    assert sentinel.status()["swept"]["seen"] < count
