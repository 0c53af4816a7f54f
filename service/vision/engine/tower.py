"""The vision tower: where a picture's patches stand is computed once for each shape of picture; see also fused.py."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers.models.glm4v.modeling_glm4v import get_vision_position_ids

from service.vision.engine.block import Block
from service.vision.engine.projection import Projection

KEPT_SHAPES = 8
"""Shapes of pictures whose places are remembered."""

Grid = tuple[int, int, int]

CompiledTower = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Pictures of one shape (pictures, patches, values), what is added to each, how its patches are turned (..., 2), to
(pictures, tokens, hidden size).
"""


@dataclass(frozen=True)
class _Places:
    """Of one picture: what is added to its patches (patches, hidden size), and how far their queries and keys are
    turned (patches, 1, 1, pairs), complex.
    """

    added: torch.Tensor
    turns: torch.Tensor


class Tower(nn.Module):
    """Takes over the modules of a Glm4vVisionModel, which spends a quarter of its time on places of small pictures.

    They are remembered for all principals: the time that an answer takes may tell that somebody has sent a picture of
    the same shape, and nothing else of it.
    """

    def __init__(self, tower: Any) -> None:
        super().__init__()
        self.merge: int = tower.spatial_merge_size
        self._kept: OrderedDict[Grid, _Places] = OrderedDict()
        self.compiled: CompiledTower | None = None
        self.cut, self.after_cut = Projection(tower.patch_embed.proj), tower.post_conv_layernorm
        self.embeddings, self.rotary = tower.embeddings, tower.rotary_pos_emb
        self.blocks = nn.ModuleList([Block(block) for block in tower.blocks])
        self.after_blocks = tower.post_layernorm
        self.merged, self.merger = Projection(tower.downsample), tower.merger

    def forward(self, pixels: torch.Tensor, grids: Sequence[Grid]) -> list[torch.Tensor]:
        """Pictures' pixels, one behind the other (patches, values of one); of each its tokens (tokens, hidden size)."""
        places = [self.places(grid) for grid in grids]
        lengths = [len(one.added) for one in places]
        if self.compiled:
            return self._alike(self.compiled, pixels.split(lengths), grids)
        added, turns = torch.cat([one.added for one in places]), torch.cat([one.turns for one in places])
        made = self.seen(pixels, added, turns, len(lengths) if len(set(lengths)) == 1 else lengths)
        return list(made.split([length // self.merge**2 for length in lengths]))

    def seen(
        self, pixels: torch.Tensor, added: torch.Tensor, turns: torch.Tensor, pictures: int | list[int]
    ) -> torch.Tensor:
        """Tokens of all pictures, one behind the other; see `Block.forward`."""
        hidden = self.after_cut(self.cut(pixels)) + added
        for block in self.blocks:
            hidden = block(hidden, turns, pictures)
        # The patches that become one token stand together.
        hidden = self.after_blocks(hidden).unflatten(0, (-1, self.merge**2)).transpose(1, 2)
        made: torch.Tensor = self.merger(self.merged(hidden))
        return made

    def _alike(
        self, compiled: CompiledTower, pixels: Sequence[torch.Tensor], grids: Sequence[Grid]
    ) -> list[torch.Tensor]:
        """Those of one shape together: a picture by itself takes no longer, so nothing is lost with the others."""
        made: dict[int, torch.Tensor] = {}
        for grid in set(grids):
            which = [number for number, other in enumerate(grids) if other == grid]
            together, one = torch.stack([pixels[number] for number in which]), self.places(grid)
            tokens = compiled(together, one.added, torch.view_as_real(one.turns))
            made.update(zip(which, tokens, strict=True))
        return [made[number] for number in range(len(grids))]

    def places(self, grid: Grid) -> _Places:
        """Of a picture of this shape."""
        if grid not in self._kept:
            self._kept[grid] = self._computed(grid)
            if len(self._kept) > KEPT_SHAPES:
                self._kept.popitem(last=False)
        self._kept.move_to_end(grid)
        return self._kept[grid]

    def _computed(self, grid: Grid) -> _Places:
        weights = self.embeddings.position_embedding.weight
        shape = torch.tensor([grid], device=weights.device)
        ids = get_vision_position_ids(shape, self.merge)
        nothing = weights.new_zeros(len(ids), weights.shape[1])
        added = self.embeddings(nothing, [len(ids)], shape, ids[:, 0], ids[:, 1])
        cosine, sine = (part.chunk(2, dim=-1)[0].float() for part in self.rotary(nothing, ids))
        return _Places(added, torch.complex(cosine, sine)[:, None, None])
