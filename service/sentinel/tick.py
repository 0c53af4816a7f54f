"""Whether time goes on as it should."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

SIGN = 10.0
"""Seconds between two signs of life of a thread that has nothing to do."""
_LONG = 5.0
"""Seconds that are no matter of a busy host any more."""


@dataclass(frozen=True)
class Passed:
    """Of one wait: for how long this process stood still in it, and by how much the clock was set; 0: not."""

    stood: float
    jumped: float


def waited(event: threading.Event, seconds: float) -> Passed:
    """Wait for the event no longer than that, by the clock that only goes on, beside the one that can be set."""
    steady, clock = time.monotonic(), time.time()
    event.wait(seconds)
    passed = time.monotonic() - steady
    jumped = time.time() - clock - passed
    return Passed(passed if passed > seconds + _LONG else 0.0, jumped if abs(jumped) > _LONG else 0.0)
