"""One block of the vision tower, with half of the operations that the library spends on it; see fused.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention, silu

from service.vision.engine.fused import joined, made, normed, turn


class Block(nn.Module):
    """Takes over the modules of a Glm4vVisionBlock."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        attention = block.attn
        self._heads, self._size = attention.num_heads, attention.head_dim
        self.looks = _neighbours(attention.qkv, self._heads, self._size)
        self.looked = attention.proj
        self.widened, self.narrowed = joined([block.mlp.gate_proj, block.mlp.up_proj]), block.mlp.down_proj
        self.before, self.before_mlp = block.norm1, block.norm2

    def forward(self, hidden: torch.Tensor, turns: torch.Tensor, pictures: int | list[int]) -> torch.Tensor:
        """hidden (patches, hidden size); turns (patches, 1, 1, pairs), see `turn`; pictures: how many of one size, or
        the patches of each.
        """
        looks = self.looks(normed(hidden, self.before)).view(-1, 3, self._heads, self._size)
        turn(looks[:, :2], turns)
        found = self._attend(looks, pictures).reshape(hidden.shape[0], -1)
        hidden = hidden + self.looked(found)
        gate, up = self.widened(normed(hidden, self.before_mlp)).chunk(2, dim=-1)
        return hidden + self.narrowed(up * silu(gate))

    def _attend(self, looks: torch.Tensor, pictures: int | list[int]) -> torch.Tensor:
        """Each picture sees itself alone; those of one size are looked at together."""
        if isinstance(pictures, list):
            return torch.cat([self._attend(one, 1)[0] for one in looks.split(pictures)])
        queries, keys, values = looks.unflatten(0, (pictures, -1)).permute(2, 0, 3, 1, 4)
        return scaled_dot_product_attention(queries, keys, values).transpose(1, 2)


def _neighbours(qkv: nn.Linear, heads: int, size: int) -> nn.Linear:
    """The halves of each query and key are turned against each other: put next to each other here, once for all."""
    order = torch.arange(3 * heads * size).view(3, heads, size)
    order[:2] = order[:2].view(2, heads, 2, -1).transpose(-1, -2).reshape(2, heads, size)
    rows = order.flatten()
    return made(qkv.weight[rows], None if qkv.bias is None else qkv.bias[rows])
