"""Files to an uncompressed tar whose bytes depend on nothing but paths, modes and contents."""

import hashlib
import io
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

EPOCH = 1735689600
"""Every file's time, and SOURCE_DATE_EPOCH: 2025-01-01."""


@dataclass(frozen=True)
class Member:
    """A file to pack: path below the root without a leading slash, mode, size in bytes, and how to open it."""

    path: str
    mode: int
    size: int
    open: Callable[[], IO[bytes]]


def pack(members: Iterable[Member], path: Path) -> str:
    """Write the members and their directories, sorted, as root's, at EPOCH; returns the tar's hex SHA-256."""
    files = {member.path: member for member in members}
    directories = {str(parent) for name in files for parent in PurePosixPath(name).parents} - {"."}
    with path.open("wb") as file:
        hashed = _Hashed(file)
        with tarfile.open(fileobj=hashed, mode="w|", bufsize=1 << 20, format=tarfile.GNU_FORMAT) as tar:
            for name in sorted({*files, *directories}):
                _add(tar, name, files.get(name))
    return hashed.sha256.hexdigest()


def _add(tar: tarfile.TarFile, name: str, member: Member | None) -> None:
    entry = tarfile.TarInfo(name)
    entry.mtime = EPOCH
    if member is None:
        entry.type, entry.mode = tarfile.DIRTYPE, 0o755
        tar.addfile(entry)
        return
    entry.mode, entry.size = member.mode, member.size
    with member.open() as content:
        tar.addfile(entry, content)


class _Hashed(io.RawIOBase):
    """Writes through to a file and hashes on the way."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def write(self, data: Any, /) -> int:
        self.sha256.update(data)
        return self._file.write(data)
