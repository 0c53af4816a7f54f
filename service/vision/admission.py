"""How many requests may be inside at once: those that are answered and those that wait."""

from __future__ import annotations

import math
import time

from service.vision.errors import ApiError
from service.vision.share import Full, Shares

_LONGEST_RETRY = 60
_NEWS = 0.2  # Weight of the latest request in the running mean.


class Admission:
    """A bound on requests, from before their bodies are read until they are answered; shared between principals."""

    def __init__(self, most: int, width: int) -> None:
        self.closed = False
        self.most = most
        self._shares = Shares(most, "answers are waiting or being made")
        self._width = width
        self._mean = 1.0

    @property
    def inside(self) -> int:
        """Places that are taken."""
        return self._shares.taken

    @property
    def full(self) -> bool:
        """Whether the next request would be turned away, whoever's it is."""
        return self.inside >= self.most

    def enter(self, principal: str, places: int = 1) -> Place:
        """Take places. Raises ApiError: 503 once closed, 429 when all or the principal's share of it is taken, each
        with the time to come back.
        """
        place = Place(self, principal)
        place.widen(places)
        return place

    def take(self, principal: str, places: int, had: int) -> None:
        """Let a request have places instead of those that it had. Raises as `enter` does."""
        if self.closed:
            raise ApiError(503, "the service is stopping", "stopping", retry_after=5)
        try:
            self._shares.take(principal, places, had)
        except Full as full:
            wait = math.ceil(self._mean * full.ahead / self._width)
            raise ApiError(429, str(full), "queue_full", retry_after=min(max(wait, 1), _LONGEST_RETRY)) from None

    def left(self, principal: str, places: int, seconds: float) -> None:
        """Give places back."""
        self._shares.give_back(principal, places)
        self._mean += _NEWS * (seconds - self._mean)


class Place:
    """What a request of a principal holds; `leave` may be called more than once."""

    def __init__(self, admission: Admission, principal: str) -> None:
        self._admission = admission
        self._principal = principal
        self._places = 0
        self._since = time.monotonic()

    def widen(self, places: int) -> None:
        """Have so many, where there are fewer. Raises as `enter` does."""
        if places > self._places:
            self._admission.take(self._principal, places, self._places)
            self._places = places

    def leave(self) -> None:
        """Give everything back."""
        if self._places:
            self._admission.left(self._principal, self._places, time.monotonic() - self._since)
            self._places = 0
