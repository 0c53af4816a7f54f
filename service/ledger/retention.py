"""How long turned-over logs stay, and that nobody changes them until then.

A packed file is sealed: immutable, where the file system knows that, so that not even the user who owns its directory
can change or remove it. (The live log cannot be append-only: then the ledger could not remove a torn line, nor could
logrotate rename it. Its chain guards it.)

More than `keep` files of a log, and more than `most` bytes of all, are removed: the oldest file of the largest log
first, so that who floods one log drives out that log. In a directory that is a file system of its own, logs may take
three quarters of it, the live ones included: then turned-over files go, because logrotate needs room to pack one before
it turns over the next. A live log of which nothing was turned over is not counted: that one can be turned over without
any room, and until then it drives out nothing of another log. Lines that nobody has verified or copied yet are no
exception, or a full disk would be in their writers' hands; the removal is told, and the gap in the chain shows to who
has not seen the lines.
"""

from __future__ import annotations

import fcntl
import gzip
import os
import re
import stat
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.ledger.chain import LONGEST_LINE, parse

_TURNED_OVER = re.compile(r"(?P<log>.+\.(jsonl|log))(-\d[\d-]*|\.\d+)(?P<packed>\.gz)?")
_GET_FLAGS, _SET_FLAGS = 0x80086601, 0x40086602  # FS_IOC_GETFLAGS and FS_IOC_SETFLAGS where a long has 8 bytes.
_IMMUTABLE = 0x10


@dataclass(frozen=True)
class Removed:
    """A file that went, its bytes on the disk, why (keep, room, total), and the number of its first line."""

    path: str
    bytes: int
    why: str
    first: int | None


@dataclass(frozen=True)
class _File:
    directory: Path
    name: str
    log: str | None  # The log that it was turned over from; None: it is none of those, and is never removed.
    packed: bool
    bytes: int
    age: float
    uid: int


def seal(place: Path) -> list[str]:
    """Make packed files below `place` immutable when their packing is done. Returns those that could not be."""
    unsealed = []
    for file in _files(place):
        if file.packed and not os.path.lexists(file.directory / file.name.removesuffix(".gz")):
            try:
                _mark(file, immutable=True)
            except OSError:
                unsealed.append(str(file.directory / file.name))
    return unsealed


def remove(place: Path, keep: int, most: int) -> tuple[list[Removed], int]:
    """Remove what is more than `keep` files of a log or `most` bytes in all. Returns what went, and the bytes left."""
    files = sorted(_files(place), key=lambda file: (file.age, file.name))
    rooms = _rooms(place)
    removed = []
    while excess := _excess(files, keep, most, rooms):
        file, why = excess
        removed.append(Removed(str(file.directory / file.name), file.bytes, why, _first_number(file)))
        _mark(file, immutable=False)
        with _opened(file.directory) as directory:
            os.unlink(file.name, dir_fd=directory.fd)
        files.remove(file)
    return removed, sum(file.bytes for file in files)


def crowded(place: Path) -> list[str]:
    """Directories that are file systems of their own and have less than a tenth left.

    After a removal that is what is no log, or a log that took all of it since it was turned over.
    """
    found = {directory: os.statvfs(directory) for directory in _rooms(place)}
    return [str(path) for path, status in found.items() if status.f_bavail * 10 < status.f_blocks]


def _rooms(place: Path) -> dict[Path, int]:
    """What logs may take in each directory of `place` that is a file system of its own."""
    rooms = {}
    for directory in sorted(place.iterdir()):
        if directory.is_mount() and not directory.is_symlink():
            status = os.statvfs(directory)
            rooms[directory] = status.f_blocks * status.f_frsize * 3 // 4
    return rooms


def _excess(files: list[_File], keep: int, most: int, rooms: dict[Path, int]) -> tuple[_File, str] | None:
    """The next file to go, and why; `files` are in the order of their age."""
    turned_over: dict[tuple[Path, str], list[_File]] = {}
    sizes: dict[tuple[Path, str], int] = {}
    for file in files:
        log = (file.directory, file.log or file.name)
        sizes[log] = sizes.get(log, 0) + file.bytes
        if file.log:
            turned_over.setdefault(log, []).append(file)
    for of_log in turned_over.values():
        if len(of_log) > keep:
            return of_log[0], "keep"
    for directory, room in rooms.items():
        there = {log: sizes[log] for log in turned_over if log[0] == directory}
        if sum(there.values()) > room:
            return turned_over[max(there, key=lambda log: there[log])][0], "room"
    if turned_over and sum(sizes.values()) > most:
        return turned_over[max(turned_over, key=lambda log: sizes[log])][0], "total"
    return None


def _files(place: Path) -> Iterator[_File]:
    """Regular files in the directories of `place`. Links are not followed: others than root own directories here."""
    for directory in sorted(path for path in place.iterdir() if path.is_dir() and not path.is_symlink()):
        for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
            try:
                status = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if stat.S_ISREG(status.st_mode):
                found = _TURNED_OVER.fullmatch(entry.name)
                yield _File(
                    directory,
                    entry.name,
                    found["log"] if found else None,
                    bool(found and found["packed"]),
                    status.st_blocks * 512,
                    status.st_mtime,
                    status.st_uid,
                )


class _opened:
    """A directory, or a file in one, held by its number: what a name means may change from one moment to the next."""

    def __init__(self, directory: Path, name: str | None = None) -> None:
        self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        self.fd = self._directory
        try:
            if name is not None:
                flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
                self.fd = os.open(name, flags, dir_fd=self._directory)
        except OSError:
            os.close(self._directory)
            raise

    def __enter__(self) -> _opened:
        return self

    def __exit__(self, *_: Any) -> None:
        os.close(self.fd)
        if self.fd != self._directory:
            os.close(self._directory)


def _mark(file: _File, *, immutable: bool) -> None:
    """Raises OSError when the file system or the kernel refuses; lifting a mark that cannot be there does not."""
    with _opened(file.directory, file.name) as opened:
        status = os.fstat(opened.fd)
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1 or status.st_uid != file.uid:
            raise OSError(f"{file.directory / file.name} is not the file that was listed")
        try:
            flags = _flags(opened.fd)
        except OSError:
            if immutable:
                raise
            return
        wanted = flags | _IMMUTABLE if immutable else flags & ~_IMMUTABLE
        if wanted != flags:
            fcntl.ioctl(opened.fd, _SET_FLAGS, struct.pack("l", wanted))


def _flags(fd: int) -> int:
    return int(struct.unpack("l", fcntl.ioctl(fd, _GET_FLAGS, bytes(struct.calcsize("l"))))[0])


def _first_number(file: _File) -> int | None:
    try:
        with _opened(file.directory, file.name) as opened, os.fdopen(os.dup(opened.fd), "rb") as raw:
            content = gzip.GzipFile(fileobj=raw) if file.packed else raw
            line = parse(content.readline(LONGEST_LINE).rstrip(b"\n"))
    except (OSError, EOFError):
        return None
    return int(line["seq"]) if line else None
