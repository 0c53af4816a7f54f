"""Files with several names: what is done by a name that is nothing to us is told at those that are watched."""

from __future__ import annotations

import threading

from service.sentinel.filesystems import key_of
from service.sentinel.mounts import is_below

_MOST = 20_000
"""Names that are remembered; what is done to the files of others is found by sweeps."""
_MOST_COUNTED = 8192
"""Files: who gives one a name may be held up between the two events, while others remove many."""


class Links:
    """Keys (file system's id and handle) of files that have several names. Filled by any thread, asked by who reads.

    `paths`: the watched names of each. Of a new name the kernel tells twice: that the number of the file's names
    changed, then that something was made in a directory, as for a new file. `counted` and `made` tell which it was.
    """

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._keys: dict[bytes, bytes] = {}  # by path
        self.paths: dict[bytes, tuple[bytes, ...]] = {}
        self._counted: set[bytes] = set()
        self._counted_before: set[bytes] = set()

    def put(self, path: bytes, again: bool) -> bool:
        """True: what lies there was not remembered, and now is. `again`: it may be another file than the last time."""
        if path in self._keys:
            if not again:
                return False
        elif len(self._keys) >= _MOST:
            return False
        key = _key(path)
        with self._changing:
            if key in (None, self._keys.get(path)):
                return False
            self._take(path)
            self._keys[path] = key
            self.paths[key] = (*self.paths.get(key, ()), path)
        return True

    def forget(self, root: bytes) -> None:
        """All that is at or below it."""
        with self._changing:
            for path in [path for path in self._keys if is_below(path, root)]:
                self._take(path)

    def counted(self, key: bytes) -> None:
        """The number of this file's names changed."""
        for path in self.paths.get(key, ()):
            there = _key(path)
            with self._changing:
                if there != key == self._keys.get(path):
                    self._take(path)
        if len(self._counted) >= _MOST_COUNTED:
            self._counted_before, self._counted = self._counted, set()
        self._counted.add(key)

    def made(self, key: bytes) -> bool:
        """A name of this file appeared: whether it had one before."""
        return key in self._counted or key in self._counted_before

    def _take(self, path: bytes) -> None:
        key = self._keys.pop(path, None)
        if key is None:
            return
        rest = tuple(one for one in self.paths[key] if one != path)
        if rest:
            self.paths[key] = rest
        else:
            del self.paths[key]


def _key(path: bytes) -> bytes | None:
    try:
        return key_of(path)
    except OSError:
        return None
