"""What the engine's thread is asked for, and how it tells what it made."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Protocol

from service.vision.conversation import Sampling
from service.vision.engine.mailbox import Event, Mailbox
from service.vision.engine.prompt import Prompt
from service.vision.engine.protocol import Text


class Outlet(Protocol):
    """Where events go."""

    def deliver(self, bag: list[tuple[Any, Event]]) -> None:
        """Each event with the address that its order gave. Called by the engine's thread; never raises."""


@dataclass(eq=False)
class Order:
    """One answer to make: `limit` tokens at most, for `principal`, who waits `since` then (monotonic).

    `cancelled` is read before each step; `held` is what waits until there are so many to be told `together`.
    """

    prompt: Prompt
    sampling: Sampling
    limit: int
    principal: str
    outlet: Outlet
    address: Any
    together: int = 1
    held: list[Event] = field(default_factory=list, init=False)
    cancelled: bool = field(default=False, init=False)
    since: float = field(default_factory=time.monotonic, init=False)

    def cancel(self) -> None:
        """From any thread."""
        self.cancelled = True


class Post:
    """Events on their way: an outlet is told once of all that a step made.

    Telling costs more than what a word needs, in this process and in the one that is told.
    """

    def __init__(self) -> None:
        self._bags: dict[Outlet, list[tuple[Any, Event]]] = {}

    def put(self, order: Order, event: Event) -> None:
        order.held.append(event)
        if len(order.held) >= order.together or not isinstance(event, Text):
            self._bags.setdefault(order.outlet, []).extend((order.address, one) for one in order.held)
            order.held.clear()

    def send(self) -> None:
        bags, self._bags = self._bags, {}
        for outlet, bag in bags.items():
            outlet.deliver(bag)


@dataclass(frozen=True)
class OnLoop:
    """To mailboxes that are read on an event loop of this process; for a loop that has ended they are dropped."""

    loop: asyncio.AbstractEventLoop

    def deliver(self, bag: list[tuple[Mailbox, Event]]) -> None:
        try:
            self.loop.call_soon_threadsafe(_hand_over, bag)
        except RuntimeError:  # Closed, and nobody is left who would read it.
            return


def _hand_over(bag: list[tuple[Mailbox, Event]]) -> None:
    for mailbox, event in bag:
        mailbox.take(event)
