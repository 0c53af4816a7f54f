"""SHA-256 of large files, and the memory of those that did not change since."""

import hashlib
import json
from pathlib import Path

from service.release.files import write_json

CHUNK = 4 << 20


def sha256(path: Path) -> str:
    """The digest of a file, 64 hex digits."""
    digest = hashlib.sha256()
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


class Verified:
    """Digests by inode, size, mtime and ctime: the ctime cannot be put back by whoever changes a file's content."""

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._changed = False
        try:
            self._known: dict[str, list[object]] = json.loads(memory.read_text())
        except (FileNotFoundError, ValueError):
            self._known = {}  # a lost memory costs time, never trust: everything is hashed again

    def digest(self, path: Path) -> str:
        """The digest of `path`, read again only when the file is not the one that was read last time."""
        marks = _marks(path)
        known = self._known.get(marks[0])
        if known and known[:-1] == marks[1:]:
            return str(known[-1])
        found = sha256(path)
        if _marks(path) == marks:
            self._remember(marks, found)
        return found

    def note(self, path: Path, digest: str) -> None:
        """`path` was just written with this content."""
        self._remember(_marks(path), digest)

    def _remember(self, marks: list[str], digest: str) -> None:
        self._known[marks[0]] = [*marks[1:], digest]
        self._changed = True

    def keep(self) -> None:
        """Write the memory down."""
        if self._changed:
            write_json(self._memory, self._known)


def _marks(path: Path) -> list[str]:
    """Inode first. As text, because nanoseconds since 1970 do not fit a JSON reader's float."""
    stat = path.lstat()
    return [f"{stat.st_dev}:{stat.st_ino}", str(stat.st_size), str(stat.st_mtime_ns), str(stat.st_ctime_ns)]
