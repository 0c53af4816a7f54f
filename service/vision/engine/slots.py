"""The keys and values of all rows: one place a row, all of it bounded when the engine starts."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy

import torch

_STEP = 64
"""Tokens; a place is a multiple of this, so that a row that is a little longer does not make all places anew."""


def whole_steps(width: int) -> int:
    """Rounded up to what a place can have."""
    return -(-width // _STEP) * _STEP


class Slots:
    """For rows that join and leave at any time.

    Row r holds its tokens from the left in kept[layer][r], (2 * heads, width, size of a head), keys before values; what
    lies behind its length is never attended to. Rows are dense: 0 to the number of rows. `tokens` bounds rows
    times width.
    """

    def __init__(self, layers: int, heads: int, size: int, tokens: int, like: torch.Tensor) -> None:
        self.tokens = tokens
        self._heads, self._size, self._like = heads, size, like
        self._kept = [self._empty(0, 0) for _ in range(layers)]
        self._rows = self._width = 0
        self.made = 0
        """How often places were made anew: what holds addresses of the old ones must not use them any more."""
        self._first = 0
        self._at: tuple[torch.Tensor, torch.Tensor] | None = None
        self._span = 0

    @property
    def kept(self) -> list[torch.Tensor]:
        """Of each layer, as described above."""
        return self._kept

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and tokens of each that there are places for now."""
        return self._rows, self._width

    def holds(self, rows: int, width: int) -> bool:
        """Whether so many rows of so many tokens stay within the bound."""
        return rows * whole_steps(width) <= self.tokens

    def make_room(self, rows: int, width: int, kept: int) -> None:
        """Have places for `rows` rows of `width` tokens, which `holds`; the first `kept` rows stay what they are."""
        if rows <= self._rows and width <= self._width:
            return
        self.made += 1
        shape = self._shape(rows, width)
        copied = min(self._width, shape[1])
        for layer, old in enumerate(self._kept):  # One layer after the other: only one is there twice.
            self._kept[layer] = new = self._empty(*shape)
            new[:kept, :, :copied] = old[:kept, :, :copied]
        self._rows, self._width = shape

    def read_prompts(self, first: int) -> None:
        """The next `update` of each layer brings whole prompts, for the rows from `first` on."""
        self._first, self._at = first, None

    def take_step(self, places: torch.Tensor, span: int) -> None:
        """The next `update` of each layer brings one token a row; `places` (rows,) says where, all below `span`."""
        self._at = torch.arange(places.shape[0], device=places.device), places
        self._span = span

    def update(self, new: torch.Tensor, layer: int) -> torch.Tensor:
        """Keep keys and values (rows, 2 * heads, tokens, size of a head); returns those that are to be attended to."""
        kept = self._kept[layer]
        if self._at is None:
            rows, _, length, _ = new.shape
            kept[self._first : self._first + rows, :, :length] = new
            return new
        rows_at, places = self._at
        kept[rows_at, :, places] = new[:, :, 0]
        return kept[: places.shape[0], :, : self._span]

    def of(self, first: int, rows: int) -> list[torch.Tensor]:
        """Each layer's places of some rows."""
        return [layer[first : first + rows] for layer in self._kept]

    def some(self, rows: int, width: int) -> list[torch.Tensor]:
        """Places that belong to nobody, one a layer."""
        return [self._empty(rows, width) for _ in self._kept]

    def lent(self, kept: Sequence[torch.Tensor]) -> Slots:
        """The same over other tensors, one a layer: what a compiler traces must get all that changes as its input."""
        one = copy(self)
        one._kept = list(kept)
        return one

    def move(self, source: int, target: int, length: int) -> None:
        """Put a row's tokens into another row's place."""
        for layer in self._kept:
            layer[target, :, :length] = layer[source, :, :length]

    def clear(self, row: int) -> None:
        """Forget what cannot be trusted: a masked NaN is still a NaN to whoever comes next."""
        for layer in self._kept:
            layer[row].zero_()

    def _shape(self, rows: int, width: int) -> tuple[int, int]:
        """A little more than is asked, where the bound allows it."""
        steps = whole_steps(width) // _STEP
        wishes = ((power(rows), power(steps)), (rows, power(steps)), (power(rows), steps), (rows, steps))
        return next((some, more * _STEP) for some, more in wishes if some * more * _STEP <= self.tokens)

    def _empty(self, rows: int, width: int) -> torch.Tensor:
        return self._like.new_zeros((rows, 2 * self._heads, width, self._size))


def power(count: int) -> int:
    """The smallest power of two that is not less."""
    return 1 << (count - 1).bit_length()
