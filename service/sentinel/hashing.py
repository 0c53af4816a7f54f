"""Large files are hashed by threads of their own, one a file, at the lowest priority for disk and processor."""

from __future__ import annotations

import ctypes
import os
import platform
import threading
from collections import deque
from collections.abc import Callable

from service.sentinel.entry import Entry
from service.sentinel.look import Unreadable, look

THREADS = 4
"""Files that are hashed at once; with fewer processors too: while one waits for the disk, another has its bytes."""
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}.get(platform.machine())
_IDLE, _LAST_OF_ALL = 3 << 13, 2 << 13 | 7


class Hashing:
    """`done(path, entry)` is called for each path that was added; entry is None when it is gone or unreadable."""

    def __init__(self, done: Callable[[bytes, Entry | None], None]) -> None:
        self._done = done
        self._changed = threading.Condition()
        self._waiting: deque[bytes] = deque()
        self._busy: set[bytes] = set()
        self._unfinished = 0
        self._closed = False
        self._threads = [threading.Thread(target=self._run, name=f"hash-{n}", daemon=True) for n in range(THREADS)]
        for thread in self._threads:
            thread.start()

    def add(self, path: bytes) -> None:
        with self._changed:
            if path not in self._waiting and path not in self._busy:
                self._waiting.append(path)
                self._unfinished += 1
                self._changed.notify()

    def __len__(self) -> int:
        return self._unfinished

    def close(self) -> None:
        """What is being read is given up when the process ends."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()

    def _run(self) -> None:
        stand_back()
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
        while (path := self._next()) is not None:
            try:
                entry = look(path)
            except Unreadable:
                entry = None
            with self._changed:
                self._busy.discard(path)  # Before it is told: who is told may want it read again.
            self._done(path, entry)
            with self._changed:
                self._unfinished -= 1

    def _next(self) -> bytes | None:
        with self._changed:
            while not self._waiting and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            path = self._waiting.popleft()
            self._busy.add(path)
            return path


def stand_back(idle: bool = True) -> None:
    """This thread reads from the disk when nobody else does; not `idle`: last of all, but not never."""
    if _IOPRIO_SET is not None:
        ctypes.CDLL(None).syscall(_IOPRIO_SET, 1, 0, _IDLE if idle else _LAST_OF_ALL)
