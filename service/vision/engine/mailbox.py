"""One answer in the making, as whoever reads it on the event loop sees it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable

from service.vision.engine.protocol import Done, JobFailed, Text

Event = Text | Done | JobFailed


class Mailbox:
    """Events come in by `take`, and go out in their order. `cancel` tells who makes them. See `protocol.Generation`."""

    def __init__(self, cancel: Callable[[], None]) -> None:
        self.prompt_tokens = 0
        self.thinks_first = False
        self.cancel = cancel
        self._events: deque[Event] = deque()
        self._news = asyncio.Event()

    def take(self, event: Event) -> None:
        """Called on the event loop."""
        self._events.append(event)
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[Text | Done]:
        while True:
            while not self._events:
                self._news.clear()
                await self._news.wait()
            event = self._events.popleft()
            if isinstance(event, JobFailed):
                raise event
            yield event
            if isinstance(event, Done):
                return
