"""How the kernel comes to a path: which name it looks up in which directory."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator

_MOST_LINKS = 40


class Way:
    """The steps to `path`: a directory without links, the name that is looked up in it, and whether that is the last.

    Links on the way are followed, the last name is not. `real` is where it ends (links resolved), whether it exists or
    not. Each step is handed to `before` before its name is looked up: who watches there first misses no change.
    """

    def __init__(self, path: bytes, before: Callable[[bytes, bytes, bool], None] | None = None) -> None:
        self.steps: list[tuple[bytes, bytes, bool]] = []
        for step in self._walked(path):
            self.steps.append(step)
            if before:
                before(*step)

    def _walked(self, path: bytes) -> Iterator[tuple[bytes, bytes, bool]]:
        waiting, here, links = _names(path), b"/", 0
        self.real = here
        self.exists = not waiting
        while waiting:
            name = waiting.pop()
            if name == b"..":
                here = os.path.dirname(here)
                continue
            yield here, name, not waiting
            full = os.path.join(here, name)
            self.real = os.path.join(full, *reversed(waiting))
            try:
                mode = os.lstat(full).st_mode
                if not waiting:
                    self.exists = True
                elif stat.S_ISLNK(mode):
                    target, links = os.readlink(full), links + 1
                    if links > _MOST_LINKS:
                        return
                    waiting += _names(target)
                    here = b"/" if target.startswith(b"/") else here
                    continue
                elif not stat.S_ISDIR(mode):
                    return
            except OSError:
                return
            here = full


def _names(path: bytes) -> list[bytes]:
    """The last first."""
    return [name for name in reversed(path.split(b"/")) if name not in (b"", b".")]
