"""What the distribution's packages put on the host, by dpkg's own lists."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

from service.sentinel.entry import Entry
from service.sentinel.look import Unreadable, look
from service.sentinel.territory import canonical

_UNPACKING = re.compile(rb"\.dpkg-(new|tmp|old|dist|bak)$")
_STARTED = re.compile(rb"/etc/(?:init\.d/)?rc[0-9S]\.d/[SK][0-9]{2}([^/]+)$")
_WANTED = re.compile(rb"/etc/systemd/system/(?:[^/]+\.(?:wants|requires)/)?[^/]+$")
_GROUP = re.compile(rb"/etc/systemd/system/[^/]+\.(?:wants|requires)$")


class Packages:
    """The paths of the named packages, of the versions before and after; read again whenever dpkg has worked."""

    def __init__(self, names: Iterable[str], dpkg: Path) -> None:
        self._names, self._dpkg = tuple(names), dpkg
        self._read: tuple[int, int] | None = None
        self._paths: set[bytes] = set()
        self._sums: dict[bytes, str] = {}
        self._refresh()

    def explain(self, path: bytes, before: Entry | None, after: Entry | None) -> bool:
        """Whether a change is what dpkg and the packages' scripts do, content and rights included."""
        self._refresh()
        if after is None:
            return _UNPACKING.sub(b"", path) in self._paths
        path = _UNPACKING.sub(b"", path)
        if path not in self._paths:
            return self._enabled(path, after)
        if before and (before.uid, before.gid) != (after.uid, after.gid):
            return False
        if before and after.mode & 0o6000 & ~before.mode:
            return False
        if after.kind != "file":
            return after.kind in ("directory", "link")
        return self._sums.get(path) is not None and self._sums[path] == _md5(path, after)

    def _enabled(self, path: bytes, after: Entry) -> bool:
        if after.kind == "directory":
            return _GROUP.search(path) is not None and (after.uid, after.mode & 0o022) == (0, 0)
        if after.kind != "link" or not after.target:
            return False
        if found := _STARTED.search(path):
            return canonical(b"/etc/init.d/" + found[1]) in self._paths
        where = canonical(os.path.join(os.path.dirname(path), after.target))
        return _WANTED.search(path) is not None and where in self._paths

    def _refresh(self) -> None:
        try:
            now = ((self._dpkg / "info").stat().st_mtime_ns, (self._dpkg / "status").stat().st_mtime_ns)
        except OSError:
            return
        if now == self._read:
            return
        self._read = now
        for name in self._names:
            for file in (self._dpkg / "info").glob(f"{name}*.list"):
                if re.fullmatch(re.escape(name) + r"(:[a-z0-9-]+)?\.list", file.name):
                    self._paths |= {_canonical(one) for one in file.read_bytes().splitlines() if one}
                    self._sums |= _sums(file.with_suffix(".md5sums"))
        self._sums |= _conffiles(self._dpkg / "status", set(self._names))


_canonical = lru_cache(1 << 14)(canonical)


def _sums(file: Path) -> dict[bytes, str]:
    found = {}
    for line in file.read_bytes().splitlines() if file.exists() else ():
        digest, _, path = line.partition(b"  ")
        found[_canonical(b"/" + path)] = digest.decode("ascii", "replace")
    return found


def _conffiles(status: Path, names: set[str]) -> dict[bytes, str]:
    """Settings that come with a package, as it brought them."""
    found, mine, listed = {}, False, False
    for line in status.read_bytes().splitlines():
        if line.startswith(b"Package: "):
            mine = line[9:].decode("ascii", "replace") in names
        listed = (line.startswith(b" ") and listed) or line == b"Conffiles:"
        if mine and listed and line.startswith(b" /"):
            path, digest = line.split()[:2]
            found[_canonical(path)] = digest.decode("ascii", "replace")
    return found


def _md5(path: bytes, entry: Entry) -> str | None:
    """Of the very content that `entry` tells of."""
    try:
        content = Path(os.fsdecode(path)).read_bytes()
        found = look(path)
    except (OSError, Unreadable):
        return None
    if found is None or found.sha256 != entry.sha256 or hashlib.sha256(content).digest() != entry.sha256:
        return None
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
