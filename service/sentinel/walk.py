"""One directory against what was known of it."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from service.sentinel.beneath import opened
from service.sentinel.store import stamp
from service.sentinel.territory import Watched

_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP)


@dataclass
class Compared:
    """Of one directory: the paths that are not as known, or not there any more; its directories; those of files that
    have several names; how many there are."""

    differing: list[bytes]
    directories: list[bytes]
    linked: list[bytes]
    seen: int = 0

    def gone(self, path: bytes, watched: Watched) -> None:
        """It was known. What is excluded since is of no interest."""
        if not watched.excludes(path):
            self.differing.append(path)


def compared(directory: bytes, known: Iterable[tuple[bytes, bytes]], watched: Watched) -> Compared:
    """`known`: names in order and their stamps. Raises OSError when it cannot be listed."""
    found, base = Compared([], [], []), directory.rstrip(b"/") + b"/"
    rest: Iterator[tuple[bytes, bytes] | tuple[None, None]] = iter(known)
    name, before = next(rest, (None, None))
    for there, now in _listed(directory):
        path = base + there
        if watched.excluded and watched.excludes(path):
            continue
        found.seen += 1
        while name is not None and name < there:
            found.gone(base + name, watched)
            name, before = next(rest, (None, None))
        if name != there or before != stamp(now):
            found.differing.append(path)
        if name == there:
            name, before = next(rest, (None, None))
        if stat.S_ISDIR(now.st_mode):
            found.directories.append(path)
        elif now.st_nlink > 1:
            found.linked.append(path)
    while name is not None:
        found.gone(base + name, watched)
        name, before = next(rest, (None, None))
    return found


def _listed(directory: bytes) -> Iterator[tuple[bytes, os.stat_result]]:
    """Names in order, with what lstat says; only the names are held at once."""
    try:
        fd = opened(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        if error.errno in _GONE:
            return
        raise
    try:
        for name in sorted(os.listdir(b"/proc/self/fd/%d" % fd)):
            try:
                yield name, os.stat(name, dir_fd=fd, follow_symlinks=False)
            except FileNotFoundError:
                continue
    finally:
        os.close(fd)
