"""One answer in the making, between the engine's thread and the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from service.vision.conversation import Sampling
from service.vision.engine.prompt import Prompt
from service.vision.engine.protocol import Done, JobFailed, Text


class QueuedGeneration:
    """Made on the event loop; `put` is called from the engine's thread."""

    def __init__(self, prompt: Prompt, sampling: Sampling, limit: int) -> None:
        self.prompt = prompt
        self.sampling = sampling
        self.limit = limit
        self.cancelled = False
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Text | Done | JobFailed] = asyncio.Queue()

    @property
    def prompt_tokens(self) -> int:
        return self.prompt.length

    @property
    def thinks_first(self) -> bool:
        return self.prompt.thinks_first

    def put(self, event: Text | Done | JobFailed) -> None:
        """Hand over an event, from any thread; one for a loop that has ended is dropped."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)

    def cancel(self) -> None:
        """Read by the engine's thread before each step."""
        self.cancelled = True

    async def __aiter__(self) -> AsyncIterator[Text | Done]:
        while True:
            event = await self._events.get()
            if isinstance(event, JobFailed):
                raise event
            yield event
            if isinstance(event, Done):
                return
