"""One receiver, with its thread, its spool and its patience."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from service.sentinel.outlets.message import Message
from service.sentinel.outlets.spool import Spool

LONGEST_PAUSE = 300.0
"""Seconds between two tries, at most."""
_TRIES_OF_THE_REFUSED = 3
_REMIND = 60.0  # Seconds.


class Refused(Exception):
    """The receiver is there and will not have this message, now or later."""


class Receiver(Protocol):
    """Raises any exception when it could not deliver; its text tells why, and no secret."""

    name: str

    def deliver(self, message: Message) -> None: ...

    def remind(self) -> None:
        """Called once a minute, unless messages wait."""


@dataclass(frozen=True)
class Condition:
    """How an outlet is. Counts are since the process began; `failing_since`: seconds since 1970."""

    name: str
    waiting: int
    bytes: int
    delivered: int
    failures: int
    dropped: int
    failing_since: float | None
    error: str | None


class Outlet:
    """`said(event, outlet's name, fields)` is called when it begins to fail, delivers again, or dropped something."""

    def __init__(
        self,
        receiver: Receiver,
        spool: Spool,
        said: Callable[[str, str, dict[str, object]], None],
        *,
        first_pause: float = 1.0,
    ) -> None:
        self.receiver = receiver
        self.spool = spool
        self._said = said
        self._first_pause = first_pause
        self._wake = threading.Event()
        self._closing = threading.Event()
        self._delivered = self._failures = self._in_a_row = 0
        self._refusals = self._refused = self._dropped_told = 0
        self._failing_since: float | None = None
        self._error: str | None = None
        self._thread = threading.Thread(target=self._run, name=f"outlet-{receiver.name}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def put(self, message: Message) -> None:
        """Never waits for the receiver."""
        self.spool.put(message)
        self._wake.set()

    def condition(self) -> Condition:
        return Condition(
            self.receiver.name,
            self.spool.depth,
            self.spool.bytes,
            self._delivered,
            self._failures,
            self.spool.dropped + self._refused,
            self._failing_since,
            self._error,
        )

    def close(self, seconds: float) -> None:
        """Deliver what can be delivered in this time; the rest waits on the disk for the next start."""
        self._closing.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(seconds)

    def _run(self) -> None:
        remind_at = time.monotonic() + _REMIND
        while True:
            message = self.spool.take()
            if message is None:
                if self._closing.is_set():
                    return
                if self._wake.wait(max(0, remind_at - time.monotonic())):
                    self._wake.clear()
                    continue
                remind_at = time.monotonic() + _REMIND
            delivered = self._try(message)
            self._tell_dropped()
            if not delivered and self._closing.wait(self._pause()):
                return

    def _try(self, message: Message | None) -> bool:
        try:
            if message is None:
                self.receiver.remind()
            else:
                self.receiver.deliver(message)
        except Exception as error:  # Whatever it is: the next message must find a thread.
            self._failed(error)
            self._refusals += isinstance(error, Refused)
            if self._refusals >= _TRIES_OF_THE_REFUSED:
                self._refused += 1
                self._forget()
            return False
        if message is not None:
            self._delivered += 1
            self._forget()
        if self._failing_since is not None:
            since, self._failing_since, self._error = self._failing_since, None, None
            self._said("outlet_delivers", self.receiver.name, {"failed_seconds": round(time.time() - since)})
        self._in_a_row = 0
        return True

    def _forget(self) -> None:
        self._refusals = 0
        self.spool.done()

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._in_a_row += 1
        self._error = str(error) or type(error).__name__
        if self._failing_since is None:
            self._failing_since = time.time()
            self._said("outlet_failing", self.receiver.name, {"error": self._error})

    def _tell_dropped(self) -> None:
        dropped = self.spool.dropped + self._refused
        if dropped > self._dropped_told:
            self._said("outlet_dropped", self.receiver.name, {"messages": dropped - self._dropped_told})
            self._dropped_told = dropped

    def _pause(self) -> float:
        longest = min(LONGEST_PAUSE, self._first_pause * 2.0 ** min(self._in_a_row - 1, 30))
        return longest * random.uniform(0.5, 1)  # noqa: S311 - it only keeps hosts from coming all at once
