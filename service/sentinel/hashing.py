"""Large files are hashed by threads of their own, one a file, behind everybody else at the disk and the processor."""

from __future__ import annotations

import contextlib
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
        self._soon: deque[bytes] = deque()
        self._idly: deque[bytes] = deque()
        self._busy: set[bytes] = set()
        self._unfinished = 0
        self._closed = False
        for name, give_way, queue in (("hash", _last, self._soon), ("rehash", _idle, self._idly)):
            for number in range(THREADS):
                run = threading.Thread(target=self._run, args=(give_way, queue), name=f"{name}-{number}", daemon=True)
                run.start()

    def add(self, path: bytes, *, idly: bool = False) -> None:
        """`idly`: only when nobody else on the host has anything to do, for what is probably as it was."""
        with self._changed:
            if path in self._busy or path in self._soon:
                return
            if path in self._idly:
                if idly:
                    return
                self._idly.remove(path)
                self._unfinished -= 1
            (self._idly if idly else self._soon).append(path)
            self._unfinished += 1
            self._changed.notify_all()

    def __len__(self) -> int:
        return self._unfinished

    def close(self) -> None:
        """What is being read is given up when the process ends."""
        with self._changed:
            self._closed = True
            self._soon.clear()
            self._idly.clear()
            self._changed.notify_all()

    def _run(self, give_way: Callable[[], None], queue: deque[bytes]) -> None:
        give_way()
        while (path := self._next(queue)) is not None:
            try:
                entry = look(path)
            except Unreadable:
                entry = None
            with self._changed:
                self._busy.discard(path)  # Before it is told: who is told may want it read again.
            self._done(path, entry)
            with self._changed:
                self._unfinished -= 1

    def _next(self, queue: deque[bytes]) -> bytes | None:
        with self._changed:
            while not queue and not self._closed:
                self._changed.wait()
            if self._closed:
                return None
            path = queue.popleft()
            self._busy.add(path)
            return path


def _last() -> None:
    stand_back()
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)


def _idle() -> None:
    """Nice is not enough: who is nice keeps a processor for milliseconds from whoever wakes up, SCHED_IDLE gives way
    at once. Measured on two cores: it costs the vision service 9 to 12% of its throughput, or at most 3%.
    """
    _last()
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def stand_back(idle: bool = True) -> None:
    """This thread reads from the disk when nobody else does; not `idle`: last of all, but not never."""
    if _IOPRIO_SET is not None:
        ctypes.CDLL(None).syscall(_IOPRIO_SET, 1, 0, _IDLE if idle else _LAST_OF_ALL)
