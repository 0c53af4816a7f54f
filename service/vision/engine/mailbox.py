"""One answer in the making, as whoever reads it on the event loop sees it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from service.vision.engine.protocol import Done, JobFailed, Text

Event = Text | Done | JobFailed


class Mailbox:
    """Events come in by `take`, and go out in their order. `cancel` tells who makes them. See `protocol.Generation`."""

    def __init__(self, cancel: Callable[[], None]) -> None:
        self.prompt_tokens = 0
        self.thinks_first = False
        self.cancel = cancel
        self._events: list[Text | Done] = []
        self._failure: JobFailed | None = None
        self._over = False
        self._news = asyncio.Event()

    def take(self, event: Event) -> None:
        """Called on the event loop."""
        if isinstance(event, JobFailed):
            self._failure = event
        else:
            self._events.append(event)
        self._news.set()

    def __aiter__(self) -> Mailbox:
        return self

    async def __anext__(self) -> list[Text | Done]:
        if self._over:
            raise StopAsyncIteration
        if not self._events and not self._failure:
            self._news.clear()
            await self._news.wait()
        events, self._events = self._events, []
        if not events and self._failure:
            self._over = True
            raise self._failure
        self._over = isinstance(events[-1], Done)
        return events
