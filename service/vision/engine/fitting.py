"""The size at which a model sees a picture: what its image processor would scale it to."""

from __future__ import annotations

import math
from dataclasses import dataclass

_COARSE_PIXELS = 448 * 448


@dataclass(frozen=True)
class Fitting:
    """Sides are multiples of `factor`; a picture has from `smallest` to `largest` pixels, all `frames` of it counted.

    The same sizes as transformers' `smart_resize` for GLM-4V gives (a test compares the two), without the library: the
    process that speaks HTTP does not load it.
    """

    factor: int
    frames: int
    smallest: int
    largest: int

    def fit(self, width: int, height: int, *, coarse: bool) -> tuple[int, int]:
        """Width and height; with `coarse` of no more pixels than `detail: low` stands for."""
        largest = min(self.largest, self.frames * _COARSE_PIXELS) if coarse else self.largest
        smallest = min(self.smallest, largest)
        if min(width, height) < self.factor:
            scale = self.factor / min(width, height)
            width, height = int(width * scale), int(height * scale)
        wide, high = (round(side / self.factor) * self.factor for side in (width, height))
        pixels = self.frames * width * height
        if self.frames * wide * high > largest:
            shrink = math.sqrt(pixels / largest)
            wide, high = (max(1, math.floor(side / shrink / self.factor)) * self.factor for side in (width, height))
        elif self.frames * wide * high < smallest:
            stretch = math.sqrt(smallest / pixels)
            wide, high = (math.ceil(side * stretch / self.factor) * self.factor for side in (width, height))
        return wide, high
