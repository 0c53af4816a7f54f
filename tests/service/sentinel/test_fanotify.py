"""What fanotify promises beyond inotify: nothing in a fresh directory is lost, and no way round a mount goes unseen."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.sentinel.event import Event
from service.sentinel.fanotify import PARKED_SECONDS, Fanotify
from service.sentinel.filesystems import Unmarkable
from tests.service.sentinel.watching import Watching, disk, mounted

pytestmark = pytest.mark.long


@pytest.fixture
def watching(tmp_path: Path) -> Iterator[Watching]:
    (tmp_path / "root/old/deep").mkdir(parents=True)
    (tmp_path / "root/old/deep/file").write_bytes(b"x")
    source = Fanotify()
    try:
        one = Watching(source, tmp_path / "root")
        one.watch()
        yield one
    finally:
        source.close()


def test_nothing_that_came_and_went_in_fresh_directories_is_lost(watching: Watching) -> None:
    for number in range(500):
        nest = watching.base / f"{number}/a/b"
        nest.mkdir(parents=True)
        (nest / "shell").write_bytes(b"<?php")
        shutil.rmtree(watching.base / str(number))
    # Only now is anything read: no directory exists any more.
    watching.until(*((f"{number}/a/b/shell", what) for number in range(500) for what in ("created", "removed")))
    assert not watching.gaps()


def test_what_happened_in_an_old_directory_that_is_gone_is_told_at_its_path(watching: Watching) -> None:
    (watching.base / "old/deep/shell").write_bytes(b"<?php")
    os.rename(watching.base / "old", watching.base / "new")
    shutil.rmtree(watching.base / "new")
    watching.until(
        ("new/deep/shell", "removed"), ("new/deep/file", "removed"), ("new/deep", "removed"), ("new", "removed")
    )
    assert not watching.gaps()


def test_a_deep_nest_that_is_gone_costs_no_recursion(watching: Watching) -> None:
    here = os.open(watching.base, os.O_RDONLY)
    depth = 1500  # below PATH_MAX in all
    try:
        os.mkdir("n", dir_fd=here)
        inner = [os.open("n", os.O_RDONLY, dir_fd=here)]
        for _ in range(depth // 100):
            for _ in range(100):
                os.mkdir("n", dir_fd=inner[-1])
                inner.append(os.open("n", os.O_RDONLY, dir_fd=inner[-1]))
                os.close(inner.pop(-2))
    finally:
        os.close(here)
        os.close(inner[-1])
    watching.settle()
    watching.source.forget(os.fsencode(watching.base))
    watching.watch()  # What was seen is forgotten: all must be learnt from the removals.
    subprocess.run(["rm", "-r", str(watching.base / "n")], check=True)
    watching.until(("n", "removed"), ("/".join("n" * 1501), "removed"))


def test_a_directory_that_is_removed_and_still_open_has_its_old_path(watching: Watching) -> None:
    here = os.open(watching.base / "old/deep", os.O_RDONLY)
    try:
        shutil.rmtree(watching.base / "old/deep")
        watching.until(("old/deep/file", "removed"))
    finally:
        os.close(here)


def test_a_write_from_another_mount_of_the_file_system_is_seen(watching: Watching, tmp_path: Path) -> None:
    with mounted(tmp_path / "elsewhere", "--bind", str(watching.base / "old")):
        (tmp_path / "elsewhere/deep/file").write_bytes(b"changed")
        watching.until(("old/deep/file", "changed"))


def test_a_write_from_another_mount_namespace_is_seen(watching: Watching) -> None:
    code = f"mount -t tmpfs none {watching.base.parent.parent}/.. 2>/dev/null; echo x > {watching.base}/old/deep/file"
    subprocess.run(["unshare", "--mount", "sh", "-c", code.partition("; ")[2]], check=True)
    watching.until(("old/deep/file", "changed"))


def test_a_file_system_of_which_only_a_part_is_mounted(tmp_path: Path) -> None:
    with disk(tmp_path / "image", tmp_path / "whole"), mounted(tmp_path / "root", "-t", "tmpfs", "none"):
        (tmp_path / "whole/sub/deep").mkdir(parents=True)
        (tmp_path / "whole/beside/deep").mkdir(parents=True)
        subprocess.run(["mount", "--bind", str(tmp_path / "whole/sub"), str(tmp_path / "root")], check=True)
        subprocess.run(["umount", str(tmp_path / "whole")], check=True)
        source = Fanotify()
        try:
            watching = Watching(source, tmp_path / "root")
            watching.watch()
            (tmp_path / "root/deep/file").write_bytes(b"x")
            watching.until(("deep/file", "created"))
        finally:
            source.close()


def test_each_side_of_an_overlay_is_seen(tmp_path: Path) -> None:
    """Through the mount, and by the host in the upper and in the lower layer."""
    for name in ("lower/etc", "upper", "work"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "lower/etc/passwd").write_bytes(b"root")
    options = f"lowerdir={tmp_path}/lower,upperdir={tmp_path}/upper,workdir={tmp_path}/work"
    with mounted(tmp_path / "merged", "-t", "overlay", "overlay", "-o", options):
        source = Fanotify()
        try:
            watching = Watching(source, tmp_path / "merged")
            watching.watch()
            (tmp_path / "lower/etc/by-lower").write_bytes(b"x")
            watching.until(("etc/by-lower", "created"))
            (tmp_path / "merged/etc/passwd").write_bytes(b"evil")
            watching.until(("etc/passwd", "created"))
            (tmp_path / "upper/by-upper").write_bytes(b"x")
            watching.until(("by-upper", "created"))
            (tmp_path / "merged/etc/by-lower").unlink()
            watching.wait(lambda: ("etc/by-lower", "created") in watching.told()[1:], "a whiteout")
        finally:
            source.close()


def test_a_file_system_that_cannot_be_marked_is_refused(tmp_path: Path) -> None:
    source = Fanotify()
    try:
        with pytest.raises(Unmarkable, match="proc at /proc cannot be marked"):
            source.watch(b"/proc/sys")
    finally:
        source.close()


def test_a_storm_outside_of_the_roots_is_dropped(watching: Watching, tmp_path: Path) -> None:
    for number in range(2000):
        (tmp_path / f"outside/{number}").mkdir(parents=True)
        (tmp_path / f"outside/{number}/file").write_bytes(b"x")
    shutil.rmtree(tmp_path / "outside")
    (watching.base / "marker").touch()
    watching.until(("marker", "created"))
    assert {name for name, _what in watching.told()} == {"marker"}
    assert not watching.gaps()


def test_an_old_directory_outside_of_the_roots_that_is_removed_is_no_gap(tmp_path: Path) -> None:
    (tmp_path / "outside/old/deep").mkdir(parents=True)
    (tmp_path / "outside/old/deep/file").write_bytes(b"x")
    (tmp_path / "root").mkdir()
    source = Fanotify()
    try:
        watching = Watching(source, tmp_path / "root")
        watching.watch()
        shutil.rmtree(tmp_path / "outside/old")
        watching.settle()
        time.sleep(PARKED_SECONDS)  # Until what nothing explains becomes a gap.
        (tmp_path / "root/later").touch()
        watching.until(("later", "created"))
        assert not watching.gaps()
    finally:
        source.close()


def test_what_was_outside_and_is_moved_below_a_root_is_told_there(watching: Watching, tmp_path: Path) -> None:
    (tmp_path / "outside/a/b").mkdir(parents=True)
    (tmp_path / "outside/a/b/file").write_bytes(b"x")
    watching.settle()
    os.rename(tmp_path / "outside/a", tmp_path / "outside/c")
    watching.settle("between")
    os.rename(tmp_path / "outside/c", watching.base / "c")
    (watching.base / "c/b/file").write_bytes(b"y")
    watching.until(("c", "created"), ("c/b/file", "changed"))


def test_a_hundred_thousand_events_wait_while_nobody_reads(watching: Watching) -> None:
    code = """
import os, sys
os.chdir(sys.argv[1])
for number in range(20000):
    os.close(os.open(str(number), os.O_CREAT | os.O_WRONLY))
    os.rename(str(number), f"{number}-")
    os.unlink(f"{number}-")
"""
    subprocess.run([sys.executable, "-c", code, str(watching.base)], check=True)
    (watching.base / "last").touch()
    watching.until(("last", "created"))
    names = {one.path for one in watching.all if isinstance(one, Event) and one.what == "removed"}
    assert len(names) == 40_000
    assert not watching.gaps()
