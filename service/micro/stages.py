"""The course of training: what learns in which order, for how long and how fast."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from service.micro.conversation import COUNTED, EVEN, PLACED, SURE, Shares
from service.micro.draw import ALIKE


@dataclass(frozen=True)
class Stage:
    """Steps of what `learns`, at a rate that warms up and then falls along a cosine to a share `floor` at `horizon`."""

    name: str
    learns: Literal["tower", "language", "both"]
    stream: int  # Of random numbers: its pictures are no other stage's.
    steps: int
    rate: float
    warm: int
    floor: float
    horizon: int
    places: float = 0.0  # Weight, in the tower's lesson, of where things are.
    exact: bool = False  # Whether that is where they are themselves, or their cells.
    nothing: float = 0.25  # Weight of tokens without a thing.
    alike: float = 0.0  # Share of scenes of few colours, and of few shapes.
    tower_rate: float = 1.0  # The tower's rate, as a share of the rate.
    halves: int = 1  # Batches a step, each of canvases of one aspect.
    shares: Shares = field(default_factory=lambda: EVEN)

    def rate_at(self, step: int) -> float:
        """Return the learning rate of one step, counted from 0."""
        fall = 0.5 * (1 + math.cos(math.pi * step / self.horizon))
        return self.rate * min(1.0, (step + 1) / self.warm) * (self.floor + (1 - self.floor) * fall)


_BOTH = replace(
    Stage("both", "both", 8, steps=460, rate=1e-3, warm=20, floor=0.01, horizon=900, halves=2, shares=SURE),
    places=2.0,
    exact=True,
    alike=ALIKE,
    tower_rate=0.3,
)

# Before "speak" the words are aligned with the tower; before "fluent" the tower's places are amplified.
STAGES = (
    Stage("look", "tower", 1, steps=1000, rate=1.5e-3, warm=100, floor=0.1, horizon=2600),
    Stage("closer", "tower", 3, steps=380, rate=1e-3, warm=50, floor=0.2, horizon=800),
    Stage("places", "tower", 4, steps=120, rate=8e-4, warm=20, floor=0.5, horizon=120, places=2.0),
    Stage("speak", "language", 2, steps=400, rate=2e-3, warm=50, floor=0.3, horizon=400),
    Stage("finer", "tower", 5, steps=500, rate=8e-4, warm=50, floor=0.2, horizon=500, places=2.0),
    Stage("fluent", "language", 6, steps=450, rate=1.5e-3, warm=50, floor=0.2, horizon=450, halves=2, shares=PLACED),
    Stage("sure", "language", 7, steps=300, rate=1e-3, warm=20, floor=0.1, horizon=500, halves=2, shares=COUNTED),
    _BOTH,
    replace(_BOTH, name="last", stream=9, steps=900, rate=8e-4, warm=50, floor=0.005, nothing=1.0, shares=COUNTED),
)
