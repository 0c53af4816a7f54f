"""What a source will tell at its next read."""

from __future__ import annotations

import contextlib
import os
import time

from service.sentinel.event import Event, Gap, Named, What

# inotify and fanotify share these bits.
MODIFY, ATTRIB, CLOSE_WRITE = 0x2, 0x4, 0x8
MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x40, 0x80, 0x100, 0x200
Q_OVERFLOW, ONDIR = 0x4000, 0x4000_0000
MOVED = MOVED_FROM | MOVED_TO
APPEARED = CREATE | MOVED_TO
STRUCTURE = APPEARED | DELETE | MOVED_FROM
CHANGED = MODIFY | CLOSE_WRITE | ATTRIB

_WHAT: tuple[tuple[int, What], ...] = (
    (APPEARED, "created"),
    (MODIFY | CLOSE_WRITE, "changed"),
    (ATTRIB, "metadata"),
    (DELETE | MOVED_FROM, "removed"),
)


class Told:
    """Events and gaps in their order. What repeats the last event of its path is left out: a storm on one file is one.

    `waker` is a descriptor that is readable from `wake` until `take`.
    """

    def __init__(self) -> None:
        self.waker = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._waiting: list[Event | Gap | Named] = []
        self._last: dict[bytes, tuple[What, int]] = {}
        self._gaps: set[tuple[bytes, str]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def event(self, path: bytes, mask: int, at: float, pid: int = 0) -> None:
        """Every bit of the mask, which may hold several (then their order is not known)."""
        for bits, what in _WHAT:
            if mask & bits and self._last.get(path) != (what, pid):
                self._last[path] = (what, pid)
                self._waiting.append(Event(path, what, bool(mask & ONDIR), at, pid or None))

    def gap(self, root: bytes, why: str) -> None:
        """Once for each reason: it is swept when all is read."""
        if (root, why) not in self._gaps:
            self._gaps.add((root, why))
            self._waiting.append(Gap(root, why, time.time()))

    def named(self, device: int, inode: int) -> None:
        self._waiting.append(Named(device, inode))

    def wake(self) -> None:
        """There is more to read than the kernel knows of."""
        os.eventfd_write(self.waker, 1)

    def take(self) -> list[Event | Gap | Named]:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self.waker)
        taken, self._waiting = self._waiting, []
        self._last.clear()
        self._gaps.clear()
        return taken

    def close(self) -> None:
        os.close(self.waker)
