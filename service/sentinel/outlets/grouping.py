"""Bursts become few messages: the first of a kind at once, what follows within the time collected into one."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from service.sentinel.outlets.message import Message, Told

_FULL = 5_000  # Lines of a message that is told before its time: what waits is what a killed process has to read again.
Key = tuple[str, "str | None", "str | None", "str | None"]


class Grouping:
    """Memory is bound by the number of kinds (event, severity, watch set, container), not by that of the lines."""

    def __init__(self, host: str, seconds: float) -> None:
        self._host = host
        self._seconds = seconds
        self._lock = threading.Lock()
        self._ready: list[Message] = []
        self._open: dict[Key, Message | None] = {}
        self._until: dict[Key, float] = {}

    def add(self, lines: Sequence[Told], now: float) -> None:
        """`now`: a monotonic clock's seconds."""
        with self._lock:
            for told in lines:
                key = (told.event, told.severity, told.fields.get("set"), told.fields.get("container"))
                message = self._open.get(key)
                if message is not None:
                    message.add(told)
                    if message.count >= _FULL:
                        self._ready.append(message)
                        self._open[key] = None
                elif now < self._until.get(key, 0):
                    self._open[key] = Message.of(told, self._host)
                else:
                    self._ready.append(Message.of(told, self._host))
                    self._until[key] = now + self._seconds

    def due(self, now: float, *, all_of_them: bool = False) -> list[Message]:
        """Take what may be told by now, in the order of the ledger."""
        with self._lock:
            messages, self._ready = self._ready, []
            for key, until in list(self._until.items()):
                if now < until and not all_of_them:
                    continue
                message = self._open.pop(key, None)
                if message is None:
                    del self._until[key]
                else:
                    messages.append(message)
                    self._until[key] = now + self._seconds
            return sorted(messages, key=lambda one: one.first)

    def wait(self, now: float) -> float | None:
        """Seconds until something will be due; None: nothing is waiting."""
        with self._lock:
            if self._ready:
                return 0
            return min((max(0, self._until[key] - now) for key in self._open), default=None)

    def oldest(self) -> int | None:
        """The number of the first line that has not been taken yet."""
        with self._lock:
            kept = [*self._ready, *(one for one in self._open.values() if one)]
            return min((one.first_seq for one in kept if one.first_seq is not None), default=None)
