"""Watched files that have several names: something can be done to them by one that is not watched."""

from __future__ import annotations

import time
from typing import Protocol

from service.sentinel.dirty import Dirt, Dirty


class Linked(Protocol):
    """As `Source.linked`."""

    def __call__(self, path: bytes, *, again: bool) -> bool: ...


class Names:
    """Tells the source of events of those that the judge meets; for his thread."""

    def __init__(self, linked: Linked, dirty: Dirty) -> None:
        self._linked, self._dirty = linked, dirty
        self._seen: list[bytes] = []

    def seen(self, path: bytes) -> None:
        """It was looked at, and has several."""
        self._seen.append(path)

    def kept(self) -> None:
        """What was seen is known. What was done to it since it was looked at, nobody told: so it is once more."""
        for path in self._seen:
            if self._linked(path, again=True):
                self._dirty.after(0.0, Dirt(path, time.time(), "sweep"))
        self._seen.clear()
