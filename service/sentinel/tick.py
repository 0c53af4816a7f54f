"""Whether time went on as it should between two moments."""

from __future__ import annotations

import time

_LONG = 5.0
"""Seconds that are no matter of a busy host any more."""


class Clocks:
    """The clock that only goes on beside the one that can be set."""

    def __init__(self) -> None:
        self._steady, self._set = time.monotonic(), time.time()

    def tick(self, expected: float) -> tuple[float, float]:
        """Since the last call: for how long this process stood still, and by how much the clock was set; 0: not."""
        steady, now = time.monotonic(), time.time()
        passed, jumped = steady - self._steady, (now - self._set) - (steady - self._steady)
        self._steady, self._set = steady, now
        return (passed if passed > expected + _LONG else 0.0), (jumped if abs(jumped) > _LONG else 0.0)
