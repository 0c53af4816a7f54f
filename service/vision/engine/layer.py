"""One layer of GLM's text model, with a third of the operations that the library spends on it; see fused.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention, silu

from service.vision.engine.fused import attended, joined, normed, turn
from service.vision.engine.slots import Slots


class Layer(nn.Module):
    """Takes over the modules of a Glm4vTextDecoderLayer, which is of no use by itself afterwards."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        attention = layer.self_attn
        self._size: int = attention.head_dim
        self._heads: int = attention.num_heads
        self._kept: int = attention.num_key_value_heads
        self.looks = joined([attention.q_proj, attention.k_proj, attention.v_proj])
        self.looked = attention.o_proj
        self.widened, self.narrowed = layer.mlp.gate_up_proj, layer.mlp.down_proj
        self.before, self.after = layer.input_layernorm, layer.post_self_attn_layernorm
        self.before_mlp, self.after_mlp = layer.post_attention_layernorm, layer.post_mlp_layernorm
        del attention.q_proj, attention.k_proj, attention.v_proj

    def forward(
        self, hidden: torch.Tensor, turns: torch.Tensor, mask: torch.Tensor | None, slots: Slots, index: int
    ) -> torch.Tensor:
        """hidden (rows, tokens, hidden size); turns (rows, 1, tokens, pairs), see `turn`; no mask: causal."""
        found = self._attend(normed(hidden, self.before), turns, mask, slots, index)
        hidden = hidden + normed(self.looked(found), self.after)
        gate, up = self.widened(normed(hidden, self.before_mlp)).chunk(2, dim=-1)
        return hidden + normed(self.narrowed(up * silu(gate)), self.after_mlp)

    def _attend(
        self, hidden: torch.Tensor, turns: torch.Tensor, mask: torch.Tensor | None, slots: Slots, index: int
    ) -> torch.Tensor:
        rows, tokens, _ = hidden.shape
        heads, kept, size, turned = self._heads, self._kept, self._size, 2 * turns.shape[3]
        looks = self.looks(hidden).view(rows, tokens, heads + 2 * kept, size).transpose(1, 2)
        turn(looks[:, : heads + kept, :, :turned], turns)
        queries, new = looks.split([heads, 2 * kept], dim=1)
        keys, values = slots.update(new, index).chunk(2, dim=1)
        if tokens > 1:
            found = scaled_dot_product_attention(queries, keys, values, is_causal=True, enable_gqa=True)
            return found.transpose(1, 2).reshape(rows, tokens, heads * size)
        return attended(queries, keys, values, mask).reshape(rows, 1, heads * size)
