"""How many requests may be inside at once: those that are answered and those that wait."""

from __future__ import annotations

import math
import time

from service.vision.errors import ApiError

_LONGEST_RETRY = 60
_NEWS = 0.2  # Weight of the latest request in the running mean.


class Admission:
    """A bound on requests, from before their bodies are read until they are answered."""

    def __init__(self, most: int, width: int) -> None:
        self.inside = 0
        self.closed = False
        self.most = most
        self._width = width
        self._mean = 1.0

    @property
    def full(self) -> bool:
        """Whether the next request would be turned away."""
        return self.inside >= self.most

    def enter(self, places: int = 1) -> Place:
        """Take places. Raises ApiError: 503 once closed, 429 when full, each with the time to come back."""
        if self.closed:
            raise ApiError(503, "the service is stopping", "stopping", retry_after=5)
        if self.inside + places > self.most:
            wait = math.ceil(self._mean * self.inside / self._width)
            message = f"{self.inside} requests are waiting or being answered, expected at most {self.most}"
            raise ApiError(429, message, "queue_full", retry_after=min(max(wait, 1), _LONGEST_RETRY))
        self.inside += places
        return Place(self, places)

    def left(self, places: int, seconds: float) -> None:
        """Give places back."""
        self.inside -= places
        self._mean += _NEWS * (seconds - self._mean)


class Place:
    """What a request holds; `leave` may be called more than once."""

    def __init__(self, admission: Admission, places: int) -> None:
        self._admission = admission
        self._places = places
        self._since = time.monotonic()

    def widen(self, places: int) -> None:
        """Take more for the same request. Raises as `enter` does."""
        if places > self._places:
            self._admission.enter(places - self._places)
            self._places = places

    def leave(self) -> None:
        """Give everything back."""
        if self._places:
            self._admission.left(self._places, time.monotonic() - self._since)
            self._places = 0
