"""Messages that wait for one receiver: files in a directory, so that they outlive the process."""

from __future__ import annotations

import contextlib
import re
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from service.sentinel.outlets.message import RANKS, Message

MOST = 10_000
"""Messages; an hour of a message a second leaves room."""
MOST_BYTES = 32 << 20
_NAME = re.compile(r"(\d{12})-([0-4])\.json")
_MOST_HELD = 4 << 20  # Bytes in memory, while the disk takes nothing.


@dataclass
class _Waiting:
    number: int
    rank: int
    size: int
    held: bytes | None = None


class Spool:
    """First in, first out, bounded. When it is full the oldest of what matters least goes, and is counted.

    A disk that takes nothing is no reason to be silent: messages then wait in memory.
    """

    def __init__(self, directory: Path, *, most: int = MOST, most_bytes: int = MOST_BYTES) -> None:
        self._directory = directory
        self._most = most
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._ranks: list[deque[_Waiting]] = [deque() for _ in RANKS]
        self._taken: _Waiting | None = None
        self._next = 0
        self.depth = 0
        self.bytes = 0
        self.dropped = 0
        """Messages, since the process began."""
        self._find()

    def put(self, message: Message) -> None:
        """Add a message at the end. Raises nothing."""
        content = message.encoded()
        with self._lock:
            waiting = _Waiting(self._next, RANKS[message.severity], len(content))
            self._next += 1
            if not self._write(waiting, content):
                if sum(len(one.held) for rank in self._ranks for one in rank if one.held) > _MOST_HELD:
                    self.dropped += 1
                    return
                waiting.held = content
            self._add(waiting)
            while self.depth > self._most or self.bytes > self._most_bytes:
                self._drop()

    def take(self) -> Message | None:
        """The oldest message; it stays until `done`."""
        with self._lock:
            while self.depth:
                self._taken = min((rank[0] for rank in self._ranks if rank), key=lambda one: one.number)
                try:
                    held = self._taken.held
                    return Message.decoded(self._path(self._taken).read_bytes() if held is None else held)
                except (OSError, ValueError, TypeError):  # Removed, or half written when the machine died.
                    self._remove(self._taken)
                    self.dropped += 1
            self._taken = None
            return None

    def done(self) -> None:
        """What was taken has been delivered, or never will be."""
        with self._lock:
            if self._taken:
                self._remove(self._taken)
                self._taken = None

    def _find(self) -> None:
        """What an earlier process left."""
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            found = sorted((path.name, path.stat().st_size) for path in self._directory.iterdir())
        except OSError:
            return
        for name, size in found:
            if ours := _NAME.fullmatch(name):
                self._add(_Waiting(int(ours[1]), int(ours[2]), size))
                self._next = int(ours[1]) + 1

    def _write(self, waiting: _Waiting, content: bytes) -> bool:
        path = self._path(waiting)
        new = path.with_suffix(".new")
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            new.write_bytes(content)
            new.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            return False
        return True

    def _add(self, waiting: _Waiting) -> None:
        self._ranks[waiting.rank].append(waiting)
        self.depth += 1
        self.bytes += waiting.size

    def _drop(self) -> None:
        victim = next(one for rank in self._ranks for one in rank if one is not self._taken)
        self._remove(victim)
        self.dropped += 1

    def _remove(self, waiting: _Waiting) -> None:
        self._ranks[waiting.rank].remove(waiting)
        self.depth -= 1
        self.bytes -= waiting.size
        if waiting.held is None:
            with contextlib.suppress(OSError):  # What cannot be removed is delivered again by the next process.
                self._path(waiting).unlink(missing_ok=True)

    def _path(self, waiting: _Waiting) -> Path:
        return self._directory / f"{waiting.number:012d}-{waiting.rank}.json"
