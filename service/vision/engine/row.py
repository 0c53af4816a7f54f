"""One answer that is being decoded."""

from __future__ import annotations

from dataclasses import dataclass

from service.vision.engine.order import Order
from service.vision.engine.sampling import Choice
from service.vision.engine.words import Speech


@dataclass(eq=False)
class Row:
    """What the engine remembers of it. `length` tokens lie in its slot; `token` was chosen last and does not yet."""

    order: Order
    choice: Choice
    speech: Speech
    length: int
    token: int = -1
    chosen: int = 0

    @property
    def offset(self) -> int:
        """How far positions are ahead of the number of tokens: pictures take more of them than they have places."""
        return self.order.prompt.offset


def width(order: Order) -> int:
    """Tokens that its slot must hold at most: the last one chosen is never read."""
    return order.prompt.length + order.limit - 1
