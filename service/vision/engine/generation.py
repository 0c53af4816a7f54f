"""One answer in the making, between the engine's thread and the event loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from service.vision.conversation import Sampling
from service.vision.engine.decoder import Placed
from service.vision.engine.prompt import Prompt
from service.vision.engine.protocol import Done, JobFailed, Text

Event = Text | Done | JobFailed
_FEW = 8


class QueuedGeneration:
    """Made and read on the event loop; the engine's thread hands events over through a `Post`."""

    def __init__(self, placed: Placed, sampling: Sampling, limit: int, principal: str) -> None:
        self.placed = placed
        self.sampling = sampling
        self.limit = limit
        self.principal = principal
        self.cancelled = False
        self.loop = asyncio.get_running_loop()
        self._events: deque[Event] = deque()
        self._news = asyncio.Event()
        self._together = 1

    @property
    def prompt(self) -> Prompt:
        """What the model reads."""
        return self.placed.prompt

    @property
    def prompt_tokens(self) -> int:
        return self.prompt.length

    @property
    def thinks_first(self) -> bool:
        return self.prompt.thinks_first

    def unhurried(self) -> None:
        """Waking whoever reads costs more than what a word needs; a stop string is still seen within a few words."""
        self._together = _FEW

    def take(self, event: Event) -> None:
        """Called on the event loop."""
        self._events.append(event)
        if len(self._events) >= self._together or not isinstance(event, Text):
            self._news.set()

    def cancel(self) -> None:
        """Read by the engine's thread before each step."""
        self.cancelled = True

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


class Post:
    """Events on their way to the event loop, which is woken once for all of a step."""

    def __init__(self) -> None:
        self._bags: dict[asyncio.AbstractEventLoop, list[tuple[QueuedGeneration, Event]]] = {}

    def put(self, one: QueuedGeneration, event: Event) -> None:
        self._bags.setdefault(one.loop, []).append((one, event))

    def send(self) -> None:
        """From any thread; what is for a loop that has ended is dropped."""
        bags, self._bags = self._bags, {}
        for loop, bag in bags.items():
            try:
                loop.call_soon_threadsafe(_deliver, bag)
            except RuntimeError:  # Closed, and nobody is left who would read it.
                continue


def _deliver(bag: list[tuple[QueuedGeneration, Event]]) -> None:
    for one, event in bag:
        one.take(event)
