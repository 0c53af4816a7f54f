"""What takes a CPU's time, each as a module whose every input may have any size: so can it be compiled once for all.

Computed as they stand they give the same, more slowly. Turns are cosines beside sines here, see `fused.turn`.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.export import Dim

from service.vision.engine.decoder import Decoder
from service.vision.engine.tower import Tower

_ROWS, _TOKENS, _WIDTH, _PICTURES = 3, 40, 80, 5
"""Of the examples: 1 would be taken for what always is."""


class Step(nn.Module):
    """`Decoder.taken`; it looks as far back as `reach` is long, and writes into `kept`, one a layer."""

    turns: torch.Tensor

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self._decoder = decoder
        self.weights = decoder.weights
        self.register_buffer("turns", torch.view_as_real(decoder.turns))

    def forward(self, lined_up: torch.Tensor, reach: torch.Tensor, *kept: torch.Tensor) -> torch.Tensor:
        decoder = self._decoder.over(self._decoder.slots.lent(kept), self.turns)
        return decoder.taken(lined_up, reach.shape[0])

    def example(self) -> tuple[Any, Any]:
        """Inputs, and which of their sizes may be others."""
        kept = self._decoder.slots.some(_ROWS + 1, _WIDTH)
        rows = torch.zeros(3, _ROWS, dtype=torch.long), torch.zeros(_TOKENS, dtype=torch.long)
        sizes = {0: Dim("places", min=1), 2: Dim("width", min=1)}
        return (*rows, *kept), ({1: Dim("rows", min=1)}, {0: Dim("span", min=1)}, (sizes,) * len(kept))


class Read(nn.Module):
    """`Decoder.begun`; it writes into `kept`, one a layer, of the rows that are read."""

    def __init__(self, decoder: Decoder) -> None:
        super().__init__()
        self._decoder = decoder
        self.weights = decoder.weights

    def forward(
        self, hidden: torch.Tensor, turns: torch.Tensor, ends: torch.Tensor, *kept: torch.Tensor
    ) -> torch.Tensor:
        slots = self._decoder.slots.lent(kept)
        slots.read_prompts(0)
        return self._decoder.over(slots, turns).begun(hidden, turns, ends)

    def example(self) -> tuple[Any, Any]:
        """Inputs, and which of their sizes may be others."""
        kept = self._decoder.slots.some(_ROWS, _WIDTH)
        size, pairs = self._decoder.size, self._decoder.turns.shape[-1]
        hidden = kept[0].new_zeros(_ROWS, _TOKENS, size)
        inputs = hidden, torch.zeros(_ROWS, 1, _TOKENS, pairs, 2), torch.zeros(_ROWS, dtype=torch.long)
        rows, tokens = Dim("rows", min=1), Dim("tokens", min=2)
        sizes = {0: rows, 2: Dim("width", min=1)}
        return (*inputs, *kept), ({0: rows, 1: tokens}, {0: rows, 2: tokens}, {0: rows}, (sizes,) * len(kept))


class Seen(nn.Module):
    """`Tower.seen` of pictures of one shape."""

    def __init__(self, tower: Tower) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, pixels: torch.Tensor, added: torch.Tensor, turns: torch.Tensor) -> torch.Tensor:
        pictures, patches, _ = pixels.shape
        added = added.expand(pictures, -1, -1).flatten(0, 1)
        turns = turns.expand(pictures, -1, -1, -1, -1, -1).flatten(0, 1)
        tokens = self.tower.seen(pixels.flatten(0, 1), added, turns, pictures)
        return tokens.view(pictures, patches // self.tower.merge**2, -1)

    def example(self) -> tuple[Any, Any]:
        """Inputs, and which of their sizes may be others."""
        one = self.tower.places((1, 2 * self.tower.merge, 3 * self.tower.merge))
        patches, values = len(one.added), self.tower.cut.weight.shape[1]
        inputs = one.added.new_zeros(_PICTURES, patches, values), one.added, torch.view_as_real(one.turns)
        each = self.tower.merge**2 * Dim("tokens", min=1)
        return inputs, ({0: Dim("pictures", min=1), 1: each}, {0: each}, {0: each})
