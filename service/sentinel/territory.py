"""Which watch set a path belongs to."""

from __future__ import annotations

import fnmatch
import glob
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from service.sentinel.configuration import Containers, Reaction, Severity, WatchSet
from service.sentinel.containers import Root

SET = "containers"
"""The watch set of their file systems."""
_CACHED = 2048


@dataclass(frozen=True)
class Watched:
    """A root and what is wanted below it; `origin` tells which line of the settings it comes from.

    A container's file system has its name; what happens in a merged one is kept, and looked at, in its `backing`.
    """

    root: bytes
    set: str
    severity: Severity
    reaction: Reaction
    origin: str
    content: bool = True
    excluded: re.Pattern[bytes] | None = None
    container: str | None = None
    backing: bytes | None = None

    def kept_at(self, path: bytes) -> bytes:
        """Where what lies at a path of this root is kept."""
        return self.backing + path[len(self.root) :] if self.backing else path

    def excludes(self, path: bytes) -> bool:
        return self.excluded is not None and self.excluded.match(path) is not None


class Territory:
    """The roots of one moment."""

    def __init__(self, watched: Iterable[Watched] = ()) -> None:
        self.roots: dict[bytes, Watched] = {one.root: one for one in watched}
        self._of = lru_cache(_CACHED)(self._search)

    def of(self, path: bytes) -> Watched | None:
        """The innermost root at or above the path, unless it excludes the path."""
        found = self.roots.get(path) or self._of(path.rpartition(b"/")[0] or b"/")
        return None if found is None or found.excludes(path) else found

    def _search(self, directory: bytes) -> Watched | None:
        while directory not in self.roots:
            if directory == b"/":
                return None
            directory = directory.rpartition(b"/")[0] or b"/"
        return self.roots[directory]


def origins(sets: Sequence[WatchSet]) -> set[str]:
    """The settings' lines, as `Watched.origin` names them."""
    return {f"{one.name} {pattern}" for one in sets for pattern in one.roots}


def expanded(
    sets: Sequence[WatchSet], never: Sequence[str] = (), before: Mapping[bytes, str] | None = None
) -> list[Watched]:
    """The roots of the settings as they are now; one that is no pattern is there whether or not it exists.

    `never`: patterns that all sets exclude. `before`: roots that were there, and their origin: while that is in the
    settings they stay, so that it is told when they go.
    """
    found = {}
    stay: dict[str, list[bytes]] = {}
    for root, origin in (before or {}).items():
        stay.setdefault(origin, []).append(root)
    for one in sets:
        excluded = patterns((*one.exclude, *never))
        for pattern in one.roots:
            named = os.fsencode(pattern)
            origin = f"{one.name} {pattern}"
            paths = glob.glob(named) if _WILD.search(named) else [named]
            for root in (*stay.get(origin, ()), *map(canonical, paths)):
                found[root] = Watched(
                    root, one.name, one.severity, one.reaction, origin, one.content == "hash", excluded
                )
    return list(found.values())


def inside(roots: Iterable[Root], wanted: Containers | None) -> list[Watched]:
    """The roots of containers. A directory that several containers share is there once."""
    if wanted is None:
        return []
    uppers = {one.container: one.path for one in roots if one.kind == "upper"}
    return [
        Watched(
            one.path,
            SET,
            wanted.severity,
            wanted.reaction,
            f"{SET} {one.kind} {one.since}",
            container=one.container,
            backing=uppers.get(one.container) if one.kind == "merged" else None,
        )
        for one in roots
    ]


def canonical(path: bytes) -> bytes:
    """Without links on the way to it: the kernel tells events by such paths, and nothing here follows one."""
    directory, name = os.path.split(os.path.normpath(path))
    return os.path.join(os.path.realpath(directory), name)


def patterns(given: Iterable[str]) -> re.Pattern[bytes] | None:
    """Fnmatch patterns on whole paths as one expression."""
    made = [fnmatch.translate(os.fsencode(one).decode("latin-1")).encode("latin-1") for one in given]
    return re.compile(b"|".join(made)) if made else None


_WILD = re.compile(rb"[*?[]")
