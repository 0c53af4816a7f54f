"""Whether this GPU can take steps by our own kernels: they are compiled, and held against the library's operations."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import torch

from service.vision.engine.fused import unseen
from service.vision.engine.gpu.kernels import Kernels, Shape
from service.vision.engine.gpu.products import Products
from service.vision.engine.gpu.step import Step
from service.vision.engine.quantization import Int8Linear
from service.vision.engine.slots import Slots

_TOLERATED = {torch.float32: 1e-3}
_TOLERATED_IN_HALF_PRECISION = 0.15
"""On random weights bf16's own rounding comes to 0.03, int8's to 0.06, an offset that is ignored to more than 1."""
_PLACES = (*range(0, 170, 10), 600)
"""Of the rows that are tried: more than sixteen, and one that is long enough for its keys to be shared out."""


@torch.inference_mode()
def step(text: Any, slots: Slots, turns: torch.Tensor) -> Step | None:
    """None, and a line on stderr, where they cannot be had or compute anything else: answers are right either way.

    Raises OutOfMemoryError, for what was weighed before does not fit then.
    """
    linears = [one for one in text.modules() if isinstance(one, Int8Linear)]
    try:
        config, dtype = text.config, text.norm.weight.dtype
        heads = config.num_attention_heads, config.num_key_value_heads
        head = config.hidden_size // config.num_attention_heads
        kernels = Kernels(Shape(config.hidden_size, *heads, head, turns.shape[-1]), dtype)
        expected = _library(text, turns)
        products = Products() if linears else None
        for linear in linears:
            linear.products = products
        far = apart(_ours(text, turns, kernels), expected)
        if far <= _TOLERATED.get(dtype, _TOLERATED_IN_HALF_PRECISION):
            return Step(text, slots, turns, kernels)
        why = f"they differ by {far:.1e} from the library's operations"
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # Libraries that are missing or damaged, a driver, a GPU of another kind.
        why = f"{type(error).__name__}: {error}".splitlines()[0][:300]
    for linear in linears:
        linear.products = None
    print(f"steps take longer without kernels of our own: {why}", file=sys.stderr, flush=True)
    return None


def apart(ours: torch.Tensor, expected: torch.Tensor) -> float:
    """The largest difference, each measured by its own number: a few channels of a model are far larger than the rest.

    Infinite where one is no number.
    """
    size = expected.abs()
    far = float(((ours - expected).abs() / (size + size.median())).max())
    return far if far == far else float("inf")


def _ours(text: Any, turns: torch.Tensor, kernels: Kernels) -> torch.Tensor:
    one = SimpleNamespace(layers=text.layers[:1], norm=text.norm, embed_tokens=text.embed_tokens)
    return Step(one, _slots(text), turns, kernels).take(_lined_up(turns), max(_PLACES) + 1).float()


def _library(text: Any, turns: torch.Tensor) -> torch.Tensor:
    """A step of some rows through the first layer and the last norm."""
    tokens, places, offsets = _lined_up(turns)
    span, slots = max(_PLACES) + 1, _slots(text)
    slots.take_step(places, span)
    hidden = text.embed_tokens(tokens[:, None])
    turned, mask = turns[places + offsets][:, None, None], unseen(places, span, hidden)
    hidden = text.layers[0](hidden, turned, mask, slots, 0)
    return text.norm(hidden)[:, 0].float()


def _lined_up(turns: torch.Tensor) -> torch.Tensor:
    """Tokens, places and offsets, as far as the context goes."""
    rows = torch.arange(len(_PLACES))
    places = torch.tensor(_PLACES).clamp_max(len(turns) - 1)
    offsets = (rows % 4).minimum(len(turns) - 1 - places)
    return torch.stack([rows + 1, places, offsets]).to(turns.device)


def _slots(text: Any) -> Slots:
    """Of one layer, full of the same numbers each time."""
    config, like = text.config, text.norm.weight
    head, rows, width = config.hidden_size // config.num_attention_heads, len(_PLACES), max(_PLACES) + 1
    slots = Slots(1, config.num_key_value_heads, head, 2 * rows * width, like)
    slots.make_room(rows, width, kept=0)
    for kept in slots.kept:
        kept.copy_(torch.randn(kept.shape, generator=torch.Generator().manual_seed(1)))
    return slots
