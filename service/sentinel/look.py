"""Looking at what lies at a path, once and consistently."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable

from service.sentinel.beneath import opened
from service.sentinel.content import sha256
from service.sentinel.entry import Entry, Kind, readable

LARGE = 16 << 20
"""Bytes from which on a file is hashed by threads of their own."""
_ATTEMPTS = 3
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_GET_FLAGS, _NO_FLAGS = 0x80086601, bytes(8)
# What chattr sets; the other bits tell how the file system stores the file.
_SET_BY_CHATTR = 0xFF | 0x400 | 0x4000 | 0x8000 | 0x10000 | 0x20000 | 0x100000 | 0x800000
Digest = Callable[[int, int], bytes | None]
_KINDS: dict[int, Kind] = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}


class Unreadable(Exception):
    """It is there and cannot be read; the message says what and why."""

    def __init__(self, path: bytes, error: OSError) -> None:
        super().__init__(f"{readable(path)} cannot be read: {error.strerror}; next: look at its file system and rights")


def look(
    path: bytes,
    content: bool = True,
    largest: int | None = None,
    digest: Digest = sha256,
    several: Callable[[bytes], None] | None = None,
) -> Entry | None:
    """What lies there, None for nothing; no link is followed, the last or any before it. Raises Unreadable.

    `content`: hash it by `digest`, unless it has more than `largest` bytes. A file that keeps changing while it is
    hashed comes without a hash. `several` is called with the path of a file that has several names.
    """
    try:
        fd = _opened(path)
    except OSError as error:
        if error.errno in _GONE:
            return None
        raise Unreadable(path, error) from None
    try:
        entry, names = _entry(fd, content, largest, digest)
        if names > 1 and several and entry.kind != "directory":
            several(path)
        return entry
    except OSError as error:
        raise Unreadable(path, error) from None
    finally:
        os.close(fd)


def _opened(path: bytes) -> int:
    """To be read where that is harmless: opening a device can do something."""
    try:
        mode = os.lstat(path).st_mode
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        mode = stat.S_IFREG
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        return opened(path, os.O_PATH)
    try:
        return opened(path, _READ | os.O_NOATIME)
    except PermissionError:
        return opened(path, _READ)


def _entry(fd: int, content: bool, largest: int | None, digest: Digest) -> tuple[Entry, int]:
    """And how many names it has."""
    now, found = os.fstat(fd), None
    if content and stat.S_ISREG(now.st_mode) and (largest is None or now.st_size <= largest):
        for _ in range(_ATTEMPTS):
            found = digest(fd, now.st_size)
            before, now = now, os.fstat(fd)
            if (before.st_size, before.st_mtime_ns, before.st_ctime_ns) == (
                now.st_size,
                now.st_mtime_ns,
                now.st_ctime_ns,
            ):
                break
            found = None
            os.lseek(fd, 0, os.SEEK_SET)
    form = stat.S_IFMT(now.st_mode)
    kind = _KINDS.get(form, "other")
    entry = Entry(
        kind,
        stat.S_IMODE(now.st_mode),
        now.st_uid,
        now.st_gid,
        now.st_size,
        now.st_dev,
        now.st_ino,
        now.st_mtime_ns,
        now.st_ctime_ns,
        found,
        os.readlink(b"", dir_fd=fd) if kind == "link" else None,
        _attributes(fd, kind),
        _flags(fd) if kind in ("file", "directory") else 0,
        form | now.st_rdev << 16 if kind == "other" else 0,
    )
    return entry, now.st_nlink


def _attributes(fd: int, kind: Kind) -> bytes | None:
    place: int | bytes = fd if kind in ("file", "directory") else b"/proc/self/fd/%d" % fd
    try:
        names = os.listxattr(place)
        if not names:
            return None
        found = hashlib.sha256()
        for name in sorted(names):
            value = os.getxattr(place, name)
            found.update(b"%d %d " % (len(name), len(value)) + os.fsencode(name) + value)
        return found.digest()
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENODATA, errno.EPERM, errno.EACCES, errno.EBADF):
            return None
        raise


def _flags(fd: int) -> int:
    try:
        found = fcntl.ioctl(fd, _GET_FLAGS, _NO_FLAGS)
    except OSError:
        return 0
    return int.from_bytes(found[:4], "little") & _SET_BY_CHATTR
