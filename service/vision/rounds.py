"""Taking turns on the event loop: so many parts of bodies in each of its rounds, the others in the next ones.

When 32 large pictures arrive together, a round that took a part from each of them would be tens of milliseconds long,
and everybody else, a probe or a stream in the making, would wait for its end.
"""

from __future__ import annotations

import asyncio
from collections import deque

_A_ROUND = 3


class Rounds:
    """For one event loop; in the order in which they came."""

    def __init__(self) -> None:
        self._left = _A_ROUND
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._due = False

    async def turn(self) -> None:
        """Returns in this round of the loop if there is room in it, else in a later one."""
        loop = asyncio.get_running_loop()
        if not self._due:
            self._due = True
            loop.call_soon(self._next)
        if self._left and not self._waiting:
            self._left -= 1
            return
        place = loop.create_future()
        self._waiting.append(place)
        await place

    def _next(self) -> None:
        self._left, self._due = _A_ROUND, False
        while self._left and self._waiting:
            place = self._waiting.popleft()
            if not place.done():  # Its client has gone, or its time is over.
                place.set_result(None)
                self._left -= 1
        if self._waiting:
            self._due = True
            asyncio.get_running_loop().call_soon(self._next)
