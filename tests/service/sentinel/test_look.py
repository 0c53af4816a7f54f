"""Looking at real files, links, devices and things that change meanwhile."""

from __future__ import annotations

import hashlib
import mmap
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.sentinel.content import cached
from service.sentinel.look import Unreadable, look

root = pytest.mark.skipif(os.getuid() != 0, reason="needs root")


def test_a_file_is_its_content_and_all_that_lstat_says(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"content")
    file.chmod(0o6754)
    entry, found = look(os.fsencode(file)), file.lstat()
    assert entry
    assert (entry.kind, entry.mode, entry.size, entry.uid) == ("file", 0o6754, 7, found.st_uid)
    assert entry.sha256 == hashlib.sha256(b"content").digest()
    assert (entry.inode, entry.mtime, entry.ctime) == (found.st_ino, found.st_mtime_ns, found.st_ctime_ns)


@pytest.mark.parametrize("size", [0, 1, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_000_001])
def test_the_hash_is_right_whatever_the_size(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    entry = look(os.fsencode(tmp_path / "file"))
    assert entry
    assert entry.sha256 == hashlib.sha256(content).digest()


def test_what_is_larger_than_wanted_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    path = os.fsencode(tmp_path / "file")
    small, large, never = look(path, largest=5), look(path, largest=4), look(path, content=False)
    assert small
    assert small.sha256
    assert large
    assert never
    assert large.sha256 is never.sha256 is None


def test_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name in ("nothing", "nothing/below", "file/below"):
        assert look(os.fsencode(tmp_path / name)) is None


def test_no_link_is_followed_at_the_end_or_on_the_way(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").write_text("x")
    (tmp_path / "link").symlink_to("there/file")
    (tmp_path / "way").symlink_to("there")
    entry = look(os.fsencode(tmp_path / "link"))
    assert entry
    assert (entry.kind, entry.target, entry.sha256) == ("link", b"there/file", None)
    assert look(os.fsencode(tmp_path / "way/file")) is None
    assert look(os.fsencode(tmp_path / "there/file"))


def test_pipes_and_sockets_are_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        pipe, end = look(os.fsencode(tmp_path / "pipe")), look(os.fsencode(tmp_path / "socket"))
    assert pipe
    assert end
    assert pipe.kind == end.kind == "other"
    assert pipe.special != end.special


@root
def test_devices_differ_by_their_numbers(tmp_path: Path) -> None:
    found = []
    for minor in (3, 5):
        os.mknod(tmp_path / str(minor), 0o20600, os.makedev(1, minor))
        found.append(look(os.fsencode(tmp_path / str(minor))))
    assert found[0]
    assert found[1]
    assert found[0].special != found[1].special


def test_extended_attributes_are_seen_by_name_and_value(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    seen = []
    for name, value in (("user.a", b"1"), ("user.a", b"2"), ("user.ab", b"")):
        try:
            os.setxattr(file, name, value)
        except OSError:
            pytest.skip("no extended attributes here")
        entry = look(os.fsencode(file))
        assert entry
        seen.append(entry.attributes)
    assert None not in seen
    assert len(set(seen)) == 3


@root
def test_chattr_is_seen(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    if subprocess.run(["chattr", "+i", str(file)], capture_output=True).returncode:
        pytest.skip("no flags here")
    entry = look(os.fsencode(file))
    subprocess.run(["chattr", "-i", str(file)], check=True)
    after = look(os.fsencode(file))
    assert entry
    assert after
    assert (entry.flags, after.flags) == (0x10, 0)
    assert entry.ctime != after.ctime  # The sweep finds it by that: no event tells of it.


def test_a_file_that_never_rests_comes_without_a_hash(tmp_path: Path) -> None:
    file = tmp_path / "growing"
    file.write_bytes(b"x" * (64 << 20))
    ended = threading.Event()

    def grow() -> None:
        with file.open("ab", buffering=0) as out:
            while not ended.is_set():
                out.write(b"more")

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        entry = look(os.fsencode(file))
        assert entry
        assert entry.sha256 is None
    finally:
        ended.set()
        writer.join()
    still = look(os.fsencode(file))
    assert still
    assert still.sha256 == hashlib.sha256(file.read_bytes()).digest()


def test_a_path_longer_than_the_kernel_takes_is_looked_at_all_the_same(tmp_path: Path) -> None:
    fd, path = os.open(tmp_path, os.O_RDONLY), os.fsencode(tmp_path)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=fd)
        below = os.open("d" * 200, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd, path = below, path + b"/" + b"d" * 200
    os.close(os.open("file", os.O_WRONLY | os.O_CREAT, dir_fd=fd))
    os.close(fd)
    entry = look(path + b"/file")
    assert entry
    assert entry.kind == "file"


@contextmanager
def _held(size: int, folder: Path) -> Iterator[tuple[Path, int]]:
    file = folder / "weights"
    file.write_bytes(os.urandom(size))
    fd = os.open(file, os.O_RDONLY)
    os.fsync(fd)
    try:
        yield file, fd
    finally:
        os.close(fd)


def test_hashing_leaves_the_page_cache_as_it_was(tmp_path: Path) -> None:
    size = 40 << 20
    with _held(size, tmp_path) as (file, fd):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        if cached(fd, 0, size):
            pytest.skip("this file system is the page cache")
        assert look(os.fsencode(file))
        assert not cached(fd, 0, size)
        file.read_bytes()
        assert look(os.fsencode(file))
        assert cached(fd, 0, size)


def test_unreadable_says_what_and_why(tmp_path: Path) -> None:
    if os.getuid() == 0:
        child = os.fork()
        if child == 0:
            os.setuid(65534)
            os._exit(_refused(Path("/etc/shadow")))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    else:
        (tmp_path / "file").touch(0o000)
        assert _refused(tmp_path / "file") == 0


def _refused(file: Path) -> int:
    try:
        look(os.fsencode(file))
    except Unreadable as error:
        return 0 if "Permission denied" in str(error) and str(file) in str(error) else 1
    return 2


def test_a_mapping_that_is_written_changes_the_ctime(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"one")
    before = look(os.fsencode(file))
    with file.open("r+b") as held, mmap.mmap(held.fileno(), 0) as area:
        area[0:1] = b"X"
        area.flush()
    assert before
    os.utime(file, ns=(before.mtime, before.mtime))
    after = look(os.fsencode(file))
    assert after
    assert after.mtime == before.mtime
    assert after.stamp != before.stamp
    assert after.sha256 != before.sha256
