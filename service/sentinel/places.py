"""What the directory with a handle is to us: below a root, on the way to one, or nothing."""

from __future__ import annotations

from collections.abc import Iterable

from service.sentinel.filesystems import FileSystems, Spot, TooDeep
from service.sentinel.mounts import is_below

Names = dict[bytes, dict[bytes, bool]]
"""Names in a directory that lead to roots; whether the name is the root's own."""
Place = tuple[tuple[bytes, ...], Names, bool]
"""The paths below roots that a directory has, the names in it that lead to roots, and whether it lies below those
paths, too deep for one of its own."""
OUTSIDE: Place = ((), {}, False)
_MOST_BORN = 16_384
_MOST_PLACES = 16_384


class Places:
    """Keys (file system's id and handle) of directories, as events name them, to places.

    A directory that was made under our eyes is known by its event even when it is gone by the time we look; of all
    others the kernel is asked. What is remembered is bounded.
    """

    def __init__(self, filesystems: FileSystems) -> None:
        self._filesystems = filesystems
        self._roots: dict[bytes, list[tuple[Spot, bytes]]] = {}
        self._ways: dict[Spot, Names] = {}
        self._born: dict[bytes, tuple[bytes, bytes]] = {}  # the key it was made in, its name
        self._born_before: dict[bytes, tuple[bytes, bytes]] = {}
        self._paths: dict[bytes, bytes] = {}
        self.known: dict[bytes, Place] = {}

    def put(self, root: bytes, spots: list[tuple[Spot, bytes]], steps: Iterable[tuple[Spot, bytes, bool]]) -> None:
        """A root: where it and what is mounted below it lies, each with the path that it has for us; its way."""
        self.take(root)
        self._roots[root] = spots
        for spot, name, last in steps:
            self._ways.setdefault(spot, {}).setdefault(name, {})[root] = last

    def take(self, root: bytes) -> None:
        """A root that is no more."""
        self._roots.pop(root, None)
        for spot, names in tuple(self._ways.items()):
            for name in tuple(names):
                names[name].pop(root, None)
                if not names[name]:
                    del names[name]
            if not names:
                del self._ways[spot]
        self._forget()

    def on(self, filesystem: bytes) -> list[bytes]:
        """The roots that lie on a file system."""
        return [root for root, spots in self._roots.items() if any(spot[0] == filesystem for spot, _path in spots)]

    def find(self, key: bytes) -> Place | None:
        """The place of a directory; None: it is gone, and nothing told yet where it was."""
        deep = False
        try:
            path = self._path(key)
        except TooDeep as error:
            path, deep = error.above, True
        if path is None:
            return None
        paths = [
            (ours.rstrip(b"/") + path[len(real.rstrip(b"/")) :]) or b"/"
            for spots in self._roots.values()
            for (filesystem, real), ours in spots
            if filesystem == key[:8] and is_below(path, real)
        ]
        names = {} if deep else self._ways.get((key[:8], path), {})
        place = (tuple(dict.fromkeys(paths)), names, deep) if paths or names else OUTSIDE
        self._know(key, place)
        return place

    def outside(self, key: bytes) -> None:
        """A directory in one that is nothing to us: nor is it."""
        self._know(key, OUTSIDE)

    def born(self, key: bytes, parent: bytes, name: bytes) -> None:
        """A directory was made, or is told of as it goes: it is, or was, at that name."""
        if len(self._born) >= _MOST_BORN:
            self._born_before, self._born = self._born, {}
        self._born[key] = (parent, name)

    def moved(self, key: bytes) -> None:
        """A directory was renamed: what is below it has other paths, and where it is now must be asked."""
        self._born.pop(key, None)
        self._born_before.pop(key, None)
        self._forget()

    def gone(self, key: bytes) -> bool:
        """Whether the kernel does not find it any more."""
        try:
            return self._filesystems.path(key) is None
        except TooDeep:
            return False

    def _forget(self) -> None:
        self.known.clear()
        self._paths.clear()

    def _know(self, key: bytes, place: Place) -> None:
        if len(self.known) >= _MOST_PLACES:
            self.known.clear()
        self.known[key] = place

    def _path(self, key: bytes) -> bytes | None:
        names: list[bytes] = []
        here = key
        while (path := self._paths.get(here)) is None:
            made = self._born.get(here) or self._born_before.get(here)
            if made is None:
                path = self._filesystems.path(here)
                break
            if len(names) > 4096:
                return None
            here = made[0]
            names.append(made[1])
        if path is None:
            return None
        if names:
            path = b"/".join((path.rstrip(b"/"), *reversed(names)))
        if len(self._paths) >= _MOST_PLACES:
            self._paths.clear()
        self._paths[key] = path
        return path
