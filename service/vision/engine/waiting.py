"""Who is next: fair between those who ask, and in their own order for each of them."""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Iterable

from service.vision.engine.order import Order


class Waiting:
    """A queue a principal. Next is who has the fewest answers under way; among equals, who was not next for longest."""

    def __init__(self) -> None:
        self.count = 0
        self._queues: OrderedDict[str, deque[Order]] = OrderedDict()

    def put(self, one: Order) -> None:
        """At the end of its principal's queue."""
        self._queues.setdefault(one.principal, deque()).append(one)
        self.count += 1

    def next(self, running: Iterable[Order]) -> Order | None:
        """The one that `pop` would take out, or None."""
        principal = self._principal(running)
        return None if principal is None else self._queues[principal][0]

    def pop(self, running: Iterable[Order]) -> Order:
        """Take the next one out. Raises LookupError without one."""
        principal = self._principal(running)
        if principal is None:
            raise LookupError("nobody waits")
        one = self._queues[principal].popleft()
        self.count -= 1
        self._queues.move_to_end(principal)
        if not self._queues[principal]:
            del self._queues[principal]
        return one

    def drop_cancelled(self) -> list[Order]:
        """Take out those that nobody wants any more."""
        dropped = [one for queue in self._queues.values() for one in queue if one.cancelled]
        if dropped:
            left = ((name, deque(one for one in queue if not one.cancelled)) for name, queue in self._queues.items())
            self._queues = OrderedDict((name, queue) for name, queue in left if queue)
            self.count -= len(dropped)
        return dropped

    def _principal(self, running: Iterable[Order]) -> str | None:
        busy = Counter(one.principal for one in running)
        return min(self._queues, key=lambda principal: busy[principal], default=None)
