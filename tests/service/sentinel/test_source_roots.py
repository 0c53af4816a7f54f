"""Both sources: roots that come, go, are replaced, mounted over or one within the other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.sentinel.event import Event
from tests.service.sentinel.watching import Watching, disk, mounted


def test_a_root_that_does_not_exist_is_waited_for(watching: Watching) -> None:
    watching.watch("later/on/root")
    (watching.base.parent / "made/on/root/deep").mkdir(parents=True)
    (watching.base.parent / "made/on/root/deep/file").write_bytes(b"x")
    os.rename(watching.base.parent / "made", watching.base / "later")
    watching.wait(lambda: any(name in ("later", "later/on/root") for name, _ in watching.told()), "the root")
    watching.settle()
    (watching.base / "later/on/root/deep/file").write_bytes(b"y")
    watching.until(("later/on/root/deep/file", "changed"))


def test_a_root_below_what_does_not_exist_is_waited_for_step_by_step(apart: Watching) -> None:
    apart.watch("a/b/c")
    for part in ("a", "a/b", "a/b/c"):
        (apart.base / part).mkdir()
    apart.until(("a/b/c", "created"))
    (apart.base / "a/b/c/file").write_bytes(b"x")
    apart.until(("a/b/c/file", "created"))
    (apart.base / "a/quiet").write_bytes(b"x")
    (apart.base / "a/b/c/last").write_bytes(b"x")
    apart.until(("a/b/c/last", "created"))
    assert not [name for name, _what in apart.told() if name == "a/quiet"]


def test_a_root_that_is_a_file_is_seen_when_it_is_renamed_over(apart: Watching) -> None:
    (apart.base / "passwd").write_bytes(b"root")
    (apart.base / "beside").write_bytes(b"x")
    apart.watch("passwd")
    for turn in range(3):
        (apart.base / "passwd.new").write_bytes(b"evil")
        os.rename(apart.base / "passwd.new", apart.base / "passwd")
        apart.wait(lambda turn=turn: apart.told().count(("passwd", "created")) > turn, "renamed over")  # type: ignore[misc]
    with (apart.base / "passwd").open("ab") as file:
        file.write(b"more")
    apart.until(("passwd", "changed"))
    (apart.base / "passwd").chmod(0o600)
    apart.until(("passwd", "metadata"))
    (apart.base / "passwd").unlink()
    apart.until(("passwd", "removed"))
    (apart.base / "passwd").write_bytes(b"back")
    apart.wait(lambda: apart.told()[-1] == ("passwd", "changed"), "made anew")
    assert {name for name, _what in apart.told()} == {"passwd"}


def test_a_root_that_is_replaced_with_its_parent_is_watched_anew(apart: Watching) -> None:
    for name in ("first", "second"):
        (apart.base / name / "etc/root").mkdir(parents=True)
    apart.watch("first/etc/root")
    os.rename(apart.base / "first", apart.base / "away")
    os.rename(apart.base / "second", apart.base / "first")
    apart.until_gap("first/etc/root", "was replaced")
    apart.all.clear()
    (apart.base / "away/etc/root/quiet").write_bytes(b"x")
    (apart.base / "first/etc/root/loud").write_bytes(b"x")
    apart.until(("first/etc/root/loud", "created"))
    assert {name for name, _what in apart.told()} == {"first/etc/root/loud"}


def test_a_root_behind_a_link_is_watched_where_the_link_leads_now(apart: Watching) -> None:
    for name in ("first", "second"):
        (apart.base / name / "root").mkdir(parents=True)
    (apart.base / "current").symlink_to("first")
    apart.watch("current/root")
    (apart.base / "first/root/one").write_bytes(b"x")
    apart.until(("current/root/one", "created"))
    (apart.base / "next").symlink_to("second")
    os.rename(apart.base / "next", apart.base / "current")
    apart.until_gap("current/root", "was replaced")
    (apart.base / "second/root/two").write_bytes(b"x")
    apart.until(("current/root/two", "created"))


def test_roots_within_roots_are_told_once_and_forgotten_apart(apart: Watching) -> None:
    (apart.base / "a/b/c").mkdir(parents=True)
    apart.watch("a/b")
    apart.watch("a")
    (apart.base / "a/b/c/one").write_bytes(b"x")
    apart.until(("a/b/c/one", "created"))
    apart.settle("a/marker")
    (apart.base / "a/b/c/again").write_bytes(b"x")
    apart.settle("a/second")
    apart.source.forget(os.fsencode(apart.base / "a"))
    (apart.base / "a/quiet").write_bytes(b"x")
    (apart.base / "a/b/c/two").write_bytes(b"x")
    apart.until(("a/b/c/two", "created"))
    assert ("a/quiet", "created") not in apart.told()
    apart.watch("a")
    apart.source.forget(os.fsencode(apart.base / "a/b"))
    (apart.base / "a/b/c/three").write_bytes(b"x")
    apart.until(("a/b/c/three", "created"))
    assert apart.told().count(("a/b/c/three", "created")) == 1


def test_after_forgetting_nothing_is_told(watching: Watching) -> None:
    watching.source.forget(os.fsencode(watching.base))
    (watching.base / "old/deep/quiet").write_bytes(b"x")
    watching.base = watching.base.parent / "outside"
    watching.watch()
    (watching.base / "loud").write_bytes(b"x")
    watching.until(("loud", "created"))
    assert not [one for one in watching.all if b"quiet" in getattr(one, "path", b"")]


def test_a_mount_over_a_watched_directory_is_a_gap_and_seen_through(watching: Watching) -> None:
    outside = watching.base.parent / "outside"
    with mounted(watching.base / "old", "--bind", str(outside)):
        watching.until_gap("old", "mounted")
        (outside / "nest/shell").write_bytes(b"changed")
        watching.until(("old/nest/shell", "changed"))
    watching.all.clear()
    watching.until_gap("old", "mounted")
    (watching.base / "old/deep/file").write_bytes(b"x")
    watching.until(("old/deep/file", "created"))
    watching.all.clear()
    (outside / "nest/quiet").write_bytes(b"x")
    watching.settle()
    assert not watching.all


def test_a_file_system_that_comes_and_goes_below_a_root(watching: Watching, tmp_path: Path) -> None:
    point = watching.base / "disk"
    with disk(tmp_path / "image", point):
        watching.until_gap("disk", "mounted")
        (point / "in").mkdir()
        (point / "in/file").write_bytes(b"x")
        watching.until(("disk/in/file", "created"))
        watching.all.clear()
        # Neither source may keep it from being unmounted.
        subprocess.run(["umount", str(point)], check=True)
        watching.until_gap("disk", "mount")
        (point / "underneath").write_bytes(b"x")
        watching.until(("disk/underneath", "created"))
        watching.all.clear()
        subprocess.run(["mount", "-o", "loop", str(tmp_path / "image"), str(point)], check=True)
        watching.until_gap("disk", "mounted")
        (point / "in/file").write_bytes(b"changed")
        watching.until(("disk/in/file", "changed"))


def test_a_root_that_is_mounted_over_is_watched_as_it_is_then(watching: Watching) -> None:
    with mounted(watching.base, "-t", "tmpfs", "none"):
        watching.until_gap("", "mounted")
        (watching.base / "file").write_bytes(b"x")
        watching.until(("file", "created"))
    watching.all.clear()
    watching.until_gap("", "mounted")
    (watching.base / "old/deep/file").write_bytes(b"x")
    watching.until(("old/deep/file", "created"))


def test_one_directory_at_two_paths_is_told_at_both(apart: Watching) -> None:
    (apart.base / "one/deep").mkdir(parents=True)
    with mounted(apart.base / "two", "--bind", str(apart.base / "one")):
        apart.watch("one")
        apart.watch("two")
        (apart.base / "one/deep/file").write_bytes(b"x")
        apart.until(("one/deep/file", "created"), ("two/deep/file", "created"))


def test_another_process_is_named_where_the_kernel_tells(watching: Watching) -> None:
    code = "import sys; open(sys.argv[1], 'w')"
    with subprocess.Popen([sys.executable, "-c", code, str(watching.base / "new")]) as process:
        watching.until(("new", "created"))
    pids = {one.pid for one in watching.all if isinstance(one, Event) and one.path.endswith(b"/new")}
    assert pids == ({process.pid} if watching.source.name == "fanotify" else {None})


def test_the_whole_host_as_a_root(apart: Watching) -> None:
    if apart.source.name == "inotify":
        pytest.skip("so many directories are not for a test")
    apart.source.watch(b"/")
    (apart.base / "file").write_bytes(b"x")
    apart.until(("file", "created"))


def test_a_nest_deeper_than_a_path_can_be_long_is_a_gap_where_it_begins(apart: Watching) -> None:
    name, here = "n" * 250, os.open(apart.base, os.O_RDONLY)
    if apart.source.name == "inotify":
        apart.watch()
    for _ in range(20):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    if apart.source.name == "fanotify":  # Of what is made under its eyes it knows the path, however long.
        apart.watch()
        apart.settle()
    os.close(os.open("shell", os.O_CREAT | os.O_WRONLY, dir_fd=here))
    os.close(here)
    try:
        apart.wait(lambda: any(gap.startswith(name) for gap, _why in apart.gaps()), "a gap in the nest")
        (apart.base / "loud").touch()
        apart.until(("loud", "created"))
    finally:
        subprocess.run(["rm", "-rf", str(apart.base / name)], check=True)
