"""Fewer operations for the same numbers.

The weights are the library's; so is what comes out, but for rounding (tests compare with it). A step of a few rows is
bound by how many operations it takes, not by what they compute, on a GPU as on a CPU: what reads the same input is one
product, what is turned is turned at once, and the norms are torch's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.functional import rms_norm, scaled_dot_product_attention


def joined(linears: Sequence[nn.Linear]) -> nn.Linear:
    """One product for several of the same input; its outputs stand one behind the other."""
    biases = [linear.bias for linear in linears]
    return made(torch.cat([linear.weight for linear in linears]), None if biases[0] is None else torch.cat(biases))


def made(weight: torch.Tensor, bias: torch.Tensor | None) -> nn.Linear:
    """A linear of these numbers, that nobody trains."""
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")
    linear.weight = nn.Parameter(weight, requires_grad=False)
    if bias is not None:
        linear.bias = nn.Parameter(bias, requires_grad=False)
    return linear


def by_column(model: nn.Module) -> None:
    """Keep each linear's weights by column, as fp32 products of a few rows on a CPU want them: a third to two fifths
    quicker for the micro model, nothing lost for larger products. In bf16 it is slower.
    """
    for linear in model.modules():
        if isinstance(linear, nn.Linear):
            linear.weight = nn.Parameter(linear.weight.t().contiguous().t(), requires_grad=False)


def normed(hidden: torch.Tensor, norm: Any) -> torch.Tensor:
    """What a Glm4vRMSNorm makes of it."""
    return rms_norm(hidden, (hidden.shape[-1],), norm.weight, norm.variance_epsilon)


def unseen(places: torch.Tensor, span: int, like: torch.Tensor) -> torch.Tensor:
    """What is added to looks (rows, 1, 1, span) of rows whose latest token lies at `places`: they see no further."""
    behind = torch.arange(span, device=places.device) > places[:, None]
    mask = torch.zeros(behind.shape, dtype=like.dtype, device=places.device).masked_fill_(behind, -torch.inf)
    return mask[:, None, None]


def attended(
    queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, mask: torch.Tensor | None
) -> torch.Tensor:
    """What one token a row finds; keys and values (rows, their heads, tokens, size of a head).

    Heads that share keys become tokens of one: nothing is repeated in memory.
    """
    _, kept, _, size = keys.shape
    shared = queries.reshape(queries.shape[0], kept, queries.shape[1] // kept, size)
    return scaled_dot_product_attention(shared, keys, values, attn_mask=mask)


def turn(pairs: torch.Tensor, turns: torch.Tensor) -> None:
    """Rotary positions, in place: neighbours are the two parts of a complex number.

    Turns are complex, or cosines beside sines: one operation against eight, but a compiler makes one of them, and
    cannot do so with complex numbers.
    """
    if not turns.is_complex():
        cosine, sine = turns.unbind(-1)
        one, other = pairs.float().unflatten(-1, (-1, 2)).unbind(-1)
        pairs.copy_(torch.stack([one * cosine - other * sine, one * sine + other * cosine], dim=-1).flatten(-2))
        return
    if pairs.dtype == torch.float32:
        torch.view_as_complex(pairs.unflatten(-1, (-1, 2))).mul_(turns)
        return
    turned = torch.view_as_complex(pairs.float().unflatten(-1, (-1, 2))) * turns
    pairs.copy_(torch.view_as_real(turned).flatten(-2))
