"""One image layer: an uncompressed tar whose bytes depend on nothing but its contents."""

import hashlib
import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from deploy.release import digests

EPOCH = 1735689600
"""Every file's time, and SOURCE_DATE_EPOCH: 2025-01-01."""

_UNUSED_DAYS = 30


@dataclass(frozen=True)
class Layer:
    """A finished layer in the cache. `diff_id` is the SHA-256 of the file at `path`; `size` is in bytes."""

    name: str
    diff_id: str
    path: Path
    size: int


@dataclass(frozen=True)
class Member:
    """A file to pack: path below the root without a leading slash, mode, size in bytes, and how to open it."""

    path: str
    mode: int
    size: int
    open: Callable[[], IO[bytes]]


class _Hashed(io.RawIOBase):
    """Writes through to a file and hashes on the way."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.sha256 = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.sha256.update(data)
        return self._file.write(data)


def pack(members: Iterable[Member], file: IO[bytes]) -> str:
    """Write the members and their directories, sorted, as root's, at EPOCH; returns the tar's hex SHA-256."""
    entries: dict[str, Member | None] = {}
    for member in members:
        entries[member.path] = member
        entries.update({str(parent): None for parent in PurePosixPath(member.path).parents if str(parent) != "."})
    hashed = _Hashed(file)
    with tarfile.open(fileobj=hashed, mode="w|", format=tarfile.GNU_FORMAT, copybufsize=1 << 20) as tar:
        for path in sorted(entries):
            entry = tarfile.TarInfo(path)
            entry.mtime = EPOCH
            member = entries[path]
            if member is None:
                entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(entry)
                continue
            entry.mode, entry.size = member.mode, member.size
            with member.open() as content:
                tar.addfile(entry, content)
    return hashed.sha256.hexdigest()


def cached_layer(name: str, inputs: object, make: Callable[[Path], str]) -> Layer:
    """The layer made from these inputs (JSON values): from the cache if it is there and whole, else by `make`.

    `make` writes the tar at the path that it is given and returns its hex SHA-256.
    """
    key = hashlib.sha256(json.dumps([name, inputs], sort_keys=True).encode()).hexdigest()[:24]
    layers = digests.folder() / "layers"
    path, record = layers / f"{name}-{key}.tar", layers / f"{name}-{key}.json"
    try:
        diff_id = json.loads(record.read_bytes())["diff_id"]
        if f"sha256:{digests.sha256_of(path)}" == diff_id:
            os.utime(record)
            return Layer(name, diff_id, path, path.stat().st_size)
    except (OSError, ValueError, KeyError):
        pass  # not there, or cut short: make it
    layers.mkdir(parents=True, exist_ok=True)
    _forget_unused(layers)
    part = layers / f".{name}-{key}.{os.getpid()}"
    try:
        digest = make(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    diff_id = f"sha256:{digest}"
    digests.remember(path, digest)
    digests.write(record, json.dumps({"diff_id": diff_id}).encode())
    return Layer(name, diff_id, path, path.stat().st_size)


def _forget_unused(layers: Path) -> None:
    """Remove layers that no build has used for a month: a CUDA layer is gigabytes."""
    oldest = time.time() - _UNUSED_DAYS * 86400
    for record in layers.glob("*.json"):
        if record.stat().st_mtime < oldest:
            record.with_suffix(".tar").unlink(missing_ok=True)
            record.unlink(missing_ok=True)
