"""Copies of what was found, made so that whoever planted it cannot steer them."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from service.sentinel.entry import readable

_PIECE = 1 << 20
_NETWORK = ("tcp", "tcp6", "udp", "udp6", "unix", "route", "arp")


def copied(path: bytes, to: Path, most: int) -> dict[str, Any]:
    """Copy a regular file's content, at most `most` bytes of it, to `to` (0600); what there is to say about it.

    No link is followed, neither at the end of `path` nor on the way. Holes stay holes and cost nothing: `sha256` is
    over the `copied` bytes that are data, in order, and so the file's own where it is `whole` and has no `holes`.
    A path that is no file, or is gone, is told with `not_copied`.
    """
    try:
        fd = _opened(path)
    except OSError as error:
        links = error.errno in (errno.ELOOP, errno.ENOTDIR)
        return {**_met(path), "not_copied": "a link, or one on the way: not followed" if links else str(error.strerror)}
    try:
        status = os.fstat(fd)
        told = _told(status) | {"xattrs": _attributes(fd)}
        if not stat.S_ISREG(status.st_mode):
            return {**told, "not_copied": "is no regular file"}
        return told | _taken(fd, status.st_size, to, most)
    except OSError as error:
        return {"not_copied": str(error)}
    finally:
        os.close(fd)


def network_of(pid: int, most: int = 1 << 20) -> dict[str, str]:
    """The kernel's tables of sockets and routes as a process sees them, each at most `most` bytes; none if it ended."""
    found = {}
    for name in _NETWORK:
        try:
            with Path(f"/proc/{pid}/net/{name}").open("rb") as file:
                found[name] = file.read(most).decode("utf-8", "backslashreplace")
        except OSError:
            continue
    return found


def used(directory: Path) -> int:
    """Bytes that files below a directory take on the disk."""
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            with suppress(FileNotFoundError):  # a record that is being replaced
                total += Path(place, name).lstat().st_blocks * 512
    return total


def _opened(path: bytes) -> int:
    """Open by one name after the other, so that nobody can swap a directory for a link in between."""
    *way, name = [one for one in path.split(b"/") if one]
    place = os.open(b"/", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for one in way:
            inner = os.open(one, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=place)
            os.close(place)
            place = inner
        return os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC, dir_fd=place)
    finally:
        os.close(place)


def _taken(fd: int, size: int, to: Path, most: int) -> dict[str, Any]:
    digest, done, holes = hashlib.sha256(), 0, False
    out = os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        place = 0
        for begin, end in _data(fd, size):
            holes |= begin > place
            place = begin
            while place < end and done < most:
                piece = os.pread(fd, min(_PIECE, end - place, most - done), place)
                if not piece:  # it was cut meanwhile
                    break
                os.pwrite(out, piece, place)
                digest.update(piece)
                place, done = place + len(piece), done + len(piece)
            if place < end:
                return {"copied": done, "whole": False, "holes": holes, "sha256": digest.hexdigest()}
        with suppress(OSError):  # longer than files may be here: the hole at its end is told by `size`
            os.ftruncate(out, size)
        return {"copied": done, "whole": True, "holes": holes or place < size, "sha256": digest.hexdigest()}
    finally:
        os.close(out)


def _data(fd: int, size: int) -> Iterator[tuple[int, int]]:
    """Where a file has data and not holes, as (begin, end)."""
    place = 0
    while place < size:
        try:
            begin = os.lseek(fd, place, os.SEEK_DATA)
        except OSError as error:
            if error.errno != errno.ENXIO:  # a file system that tells no holes
                yield place, size
            return
        place = os.lseek(fd, begin, os.SEEK_HOLE)
        yield begin, place


def _met(path: bytes) -> dict[str, Any]:
    try:
        status = os.lstat(path)
        told = _told(status)
        return told | {"target": readable(os.readlink(path))} if stat.S_ISLNK(status.st_mode) else told
    except OSError:
        return {}


def _told(status: os.stat_result) -> dict[str, Any]:
    names = (
        "st_mode",
        "st_uid",
        "st_gid",
        "st_size",
        "st_dev",
        "st_ino",
        "st_nlink",
        "st_rdev",
        "st_mtime_ns",
        "st_ctime_ns",
    )
    return {name.removeprefix("st_"): getattr(status, name) for name in names}


def _attributes(fd: int) -> dict[str, str]:
    try:
        return {readable(os.fsencode(name)): os.getxattr(fd, name).hex() for name in os.listxattr(fd)}
    except OSError:
        return {}
