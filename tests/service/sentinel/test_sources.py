"""Both sources over one list of what happens to files: integrity.md's torture list, where it concerns events."""

import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.service.sentinel.watching import Watching, exchange


def _mmapped(base: Path) -> None:
    times = os.stat(base / "old/kept")
    with (base / "old/kept").open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[0:2] = b"!!"
    os.utime(base / "old/kept", ns=(times.st_atime_ns, times.st_mtime_ns))


def _capable(base: Path) -> None:
    # VFS_CAP_REVISION_2 with cap_net_bind_service
    os.setxattr(base / "old/kept", "security.capability", bytes.fromhex("0000000200040000000000000000000000000000"))


def _truncated(base: Path) -> None:
    os.truncate(base / "old/kept", 0)


ODD = "a\nb\x1b[2Jc\udcff"
OPERATIONS: dict[str, tuple[Callable[[Path], object], list[tuple[str, str]]]] = {
    "created": (lambda base: (base / "new").write_bytes(b"x"), [("new", "created"), ("new", "changed")]),
    "moved in": (lambda base: os.rename(base.parent / "outside/shell", base / "shell"), [("shell", "created")]),
    "directory moved in": (lambda base: os.rename(base.parent / "outside/nest", base / "nest"), [("nest", "created")]),
    "moved out": (lambda base: os.rename(base / "old/kept", base.parent / "kept"), [("old/kept", "removed")]),
    "directory moved out": (lambda base: os.rename(base / "old", base.parent / "old"), [("old", "removed")]),
    "renamed over": (
        lambda base: os.rename(base.parent / "outside/shell", base / "old/kept"),
        [("old/kept", "created")],
    ),
    "exchanged": (
        lambda base: exchange(base.parent / "outside/shell", base / "old/kept"),
        [("old/kept", "removed"), ("old/kept", "created")],
    ),
    "hard link in": (lambda base: os.link(base.parent / "outside/shell", base / "link"), [("link", "created")]),
    "link made": (lambda base: os.symlink("/etc/passwd", base / "link"), [("link", "created")]),
    "setuid": (lambda base: os.chmod(base / "old/kept", 0o4755), [("old/kept", "metadata")]),
    "owner": (lambda base: os.chown(base / "old/kept", 7, 7), [("old/kept", "metadata")]),
    "directory's mode": (lambda base: os.chmod(base / "old", 0o777), [("old", "metadata")]),
    "the root's mode": (lambda base: os.chmod(base, 0o777), [("", "metadata")]),
    "attribute": (lambda base: os.setxattr(base / "old/kept", "user.note", b"x"), [("old/kept", "metadata")]),
    "capability": (_capable, [("old/kept", "metadata")]),
    "times": (lambda base: os.utime(base / "old/kept", (1, 1)), [("old/kept", "metadata")]),
    "truncated": (_truncated, [("old/kept", "changed")]),
    "through memory": (_mmapped, [("old/kept", "changed"), ("old/kept", "metadata")]),
    "removed": (lambda base: os.unlink(base / "old/kept"), [("old/kept", "removed")]),
    "device": (lambda base: os.mknod(base / "null", 0o20666, os.makedev(1, 3)), [("null", "created")]),
    "odd name": (lambda base: (base / ODD).write_bytes(b"x"), [(ODD, "created")]),
    "name of zeros": (lambda base: (base / ("0" * 255)).write_bytes(b"x"), [("0" * 255, "created")]),
}


@pytest.mark.parametrize("operation", OPERATIONS)
def test_each_operation_is_told(watching: Watching, operation: str) -> None:
    act, expected = OPERATIONS[operation]
    act(watching.base)
    watching.until(*expected)
    assert not watching.gaps()


def test_a_file_gone_within_a_millisecond_is_told_in_its_order(watching: Watching) -> None:
    (watching.base / "shell").write_bytes(b"<?php")
    (watching.base / "shell").unlink()
    watching.until(("shell", "removed"))
    assert watching.told() == [("shell", "created"), ("shell", "changed"), ("shell", "removed")]


def test_a_burst_of_nested_directories_is_told_down_to_the_last_file(watching: Watching) -> None:
    made = [watching.base / f"{number}/a/b/c" for number in range(50)]
    for one in made:
        one.mkdir(parents=True)
        (one / "shell").write_bytes(b"<?php")
    watching.until(*((str((one / "shell").relative_to(watching.base)), "created") for one in made))


def test_what_happens_below_a_renamed_directory_is_told_at_its_new_name(watching: Watching) -> None:
    os.rename(watching.base / "old", watching.base / "new")
    (watching.base / "new/deep/shell").write_bytes(b"<?php")
    watching.until(("old", "removed"), ("new", "created"), ("new/deep/shell", "created"))
    os.rename(watching.base / "new/deep", watching.base / "deep")
    (watching.base / "deep/more").write_bytes(b"<?php")
    watching.until(("deep/more", "created"))


def test_below_a_directory_that_was_moved_in_all_is_watched(watching: Watching) -> None:
    os.rename(watching.base.parent / "outside", watching.base / "inside")
    watching.until(("inside", "created"))
    (watching.base / "inside/nest/shell").write_bytes(b"changed")
    watching.until(("inside/nest/shell", "changed"))


def test_below_a_directory_that_was_moved_out_nothing_is_told(watching: Watching) -> None:
    os.rename(watching.base / "old", watching.base.parent / "gone")
    watching.until(("old", "removed"))
    watching.all.clear()
    (watching.base.parent / "gone/deep/quiet").write_bytes(b"x")
    (watching.base / "loud").write_bytes(b"x")
    watching.until(("loud", "created"), ("loud", "changed"))
    assert {name for name, _what in watching.told()} == {"loud"}


def test_directories_that_change_places_keep_their_contents_apart(watching: Watching) -> None:
    (watching.base / "one/in").mkdir(parents=True)
    (watching.base / "two/in").mkdir(parents=True)
    watching.settle()
    exchange(watching.base / "one", watching.base / "two")
    (watching.base / "one/in/first").write_bytes(b"x")
    watching.until(("one/in/first", "created"))
    for _ in range(20):
        exchange(watching.base / "one", watching.base / "two")
    watching.settle()
    (watching.base / "two/in/second").write_bytes(b"x")
    watching.until(("two/in/second", "created"))
    assert not any(name.endswith("one/in/second") for name, _what in watching.told())


def test_a_link_is_never_followed(watching: Watching) -> None:
    os.symlink(watching.base.parent / "outside", watching.base / "link")
    watching.until(("link", "created"))
    watching.all.clear()
    (watching.base.parent / "outside/nest/quiet").write_bytes(b"x")
    (watching.base / "loud").write_bytes(b"x")
    watching.until(("loud", "created"))
    assert not [name for name, _what in watching.told() if "quiet" in name]


def test_a_storm_on_one_file_is_told_in_few_events(watching: Watching) -> None:
    with (watching.base / "old/kept").open("r+b", buffering=0) as file, (watching.base / "noise").open("wb") as other:
        for _ in range(3000):
            file.write(b"x")
            other.write(b"y")
            other.flush()
    watching.until(("old/kept", "changed"), ("noise", "changed"))
    assert len(watching.all) < 100
