"""SHA-256 of files on the operator's machine, remembered for as long as a file stays untouched."""

import hashlib
import json
import os
from pathlib import Path
from tempfile import NamedTemporaryFile

from deploy import paths


def folder() -> Path:
    """The release part of the cache."""
    return paths.cache() / "release"


def sha256_of(path: Path) -> str:
    """Hex digest of a file. It is read again when its size, times or inode differ from when it was last read."""
    path = path.resolve(strict=True)
    try:
        known = json.loads(_record(path).read_bytes())
        if known["stamp"] == _stamp(path):
            return str(known["sha256"])
    except (OSError, ValueError, KeyError, TypeError):
        pass  # never read, or the record was cut short: read the file
    digest = read_sha256(path)
    remember(path, digest)
    return digest


def read_sha256(path: Path) -> str:
    """Hex digest of a file as it is now."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def remember(path: Path, digest: str) -> None:
    """Note the digest of a file that was hashed while it was written."""
    path = path.resolve(strict=True)
    write(_record(path), json.dumps({"stamp": _stamp(path), "sha256": digest}).encode())


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; its directory is made when absent."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(dir=path.parent, prefix=".", delete=False) as file:
        file.write(content)
    Path(file.name).chmod(0o644)
    Path(file.name).replace(path)


def _record(path: Path) -> Path:
    return folder() / "digests" / hashlib.sha256(os.fsencode(path)).hexdigest()[:32]


def _stamp(path: Path) -> list[int]:
    """What a change of the file changes. The ctime is among it because utime() can forge the rest."""
    stat = path.stat()
    return [stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino]
