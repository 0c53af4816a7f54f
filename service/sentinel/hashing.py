"""Large files are hashed a few at once, behind everybody else at the disk and the processor."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from functools import partial

from service.sentinel.entry import Entry
from service.sentinel.hasher import IDLE, LAST, stand_back
from service.sentinel.lanes import Lanes
from service.sentinel.look import Unreadable, look

THREADS = 4
"""Files that are hashed at once; with fewer processors too: while one waits for the disk, another has its bytes."""


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
        self._lanes = Lanes(THREADS, LAST), Lanes(THREADS, IDLE)
        for name, lanes, queue in zip(("hash", "rehash"), self._lanes, (self._soon, self._idly), strict=True):
            for lane in range(THREADS):
                run = threading.Thread(target=self._run, args=(lanes, lane, queue), name=f"{name}-{lane}", daemon=True)
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
        for lanes in self._lanes:
            lanes.close()

    def _run(self, lanes: Lanes, lane: int, queue: deque[bytes]) -> None:
        stand_back()  # What has to be read here after all, is read behind everybody else too.
        digest = partial(lanes.sha256, lane)
        while (path := self._next(queue)) is not None:
            try:
                entry = look(path, digest=digest)
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
