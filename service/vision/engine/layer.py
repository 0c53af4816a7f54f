"""One layer of GLM's text model, with a third of the operations that the library spends on it.

The weights are the library's; so are the numbers, but for rounding (tests compare with its `generate`). A step of a few
rows is bound by how many operations it takes, not by what they compute, on a GPU as on a CPU: queries, keys and values
come from one product, are turned in one, and the norms are torch's own.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn.functional import rms_norm, scaled_dot_product_attention, silu

from service.vision.engine.slots import Slots


class Layer(nn.Module):
    """Takes over the modules of a Glm4vTextDecoderLayer, which is of no use by itself afterwards."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        attention = layer.self_attn
        self._size: int = attention.head_dim
        self._heads: int = attention.num_heads
        self._kept: int = attention.num_key_value_heads
        self.looks = _joined([attention.q_proj, attention.k_proj, attention.v_proj])
        self.looked = attention.o_proj
        self.widened, self.narrowed = layer.mlp.gate_up_proj, layer.mlp.down_proj
        self.before, self.after = layer.input_layernorm, layer.post_self_attn_layernorm
        self.before_mlp, self.after_mlp = layer.post_attention_layernorm, layer.post_mlp_layernorm
        del attention.q_proj, attention.k_proj, attention.v_proj

    def forward(
        self, hidden: torch.Tensor, turns: torch.Tensor, mask: torch.Tensor | None, slots: Slots, index: int
    ) -> torch.Tensor:
        """hidden (rows, tokens, hidden size); turns (rows, 1, tokens, pairs), complex; without a mask it is causal."""
        found = self._attend(_normed(hidden, self.before), turns, mask, slots, index)
        hidden = hidden + _normed(self.looked(found), self.after)
        gate, up = self.widened(_normed(hidden, self.before_mlp)).chunk(2, dim=-1)
        return hidden + _normed(self.narrowed(up * silu(gate)), self.after_mlp)

    def _attend(
        self, hidden: torch.Tensor, turns: torch.Tensor, mask: torch.Tensor | None, slots: Slots, index: int
    ) -> torch.Tensor:
        rows, tokens, _ = hidden.shape
        heads, kept, size = self._heads, self._kept, self._size
        looks = self.looks(hidden).view(rows, tokens, heads + 2 * kept, size).transpose(1, 2)
        _turn(looks[:, : heads + kept, :, : 2 * turns.shape[-1]], turns)
        queries, keys, values = looks.split([heads, kept, kept], dim=1)
        keys, values = slots.update(keys, values, index)
        if tokens > 1:
            found = scaled_dot_product_attention(queries, keys, values, is_causal=True, enable_gqa=True)
            return found.transpose(1, 2).reshape(rows, tokens, heads * size)
        # Heads that share keys become tokens of one: nothing is repeated in memory.
        shared = queries.reshape(rows, kept, heads // kept, size)
        return scaled_dot_product_attention(shared, keys, values, attn_mask=mask).reshape(rows, 1, heads * size)


def _joined(linears: list[nn.Linear]) -> nn.Linear:
    weight = torch.cat([linear.weight for linear in linears])
    one = nn.Linear(weight.shape[1], weight.shape[0], device="meta")
    one.weight = nn.Parameter(weight, requires_grad=False)
    one.bias = nn.Parameter(torch.cat([linear.bias for linear in linears]), requires_grad=False)
    return one


def _normed(hidden: torch.Tensor, norm: Any) -> torch.Tensor:
    return rms_norm(hidden, (hidden.shape[-1],), norm.weight, norm.variance_epsilon)


def _turn(pairs: torch.Tensor, turns: torch.Tensor) -> None:
    """Rotary positions, in place: neighbours are the two parts of a complex number."""
    if pairs.dtype == torch.float32:
        torch.view_as_complex(pairs.unflatten(-1, (-1, 2))).mul_(turns)
        return
    turned = torch.view_as_complex(pairs.float().unflatten(-1, (-1, 2))) * turns
    pairs.copy_(torch.view_as_real(turned).flatten(-2))
