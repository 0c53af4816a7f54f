"""Eight-bit weights for the language model's linear layers: half the memory, the activations as they were."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from service.vision.engine.gpu.products import Products


class Int8Linear(nn.Module):
    """y = (x W8) * s + b: each output's weights as int8 with one scale, the largest of them at 127 (absmax).

    Rows of a batch do not see each other, as they do where activations are quantised together (LLM.int8()).
    """

    weight: torch.Tensor
    scale: torch.Tensor

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        weight = linear.weight.float()
        scale = weight.abs().amax(1).clamp_min(1e-12) / 127
        self.register_buffer("weight", (weight / scale[:, None]).round().to(torch.int8))
        self.register_buffer("scale", scale.to(linear.weight.dtype))
        self.bias = linear.bias
        self.products: Products | None = None
        """A GPU's, see gpu/offer.py."""

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        if self.products and self.products.pays(hidden, self.weight):
            rows = hidden.reshape(-1, hidden.shape[-1]).contiguous()
            return self.products.of(rows, self.weight, self.scale, self.bias).view(*hidden.shape[:-1], -1)
        made = nn.functional.linear(hidden, self.weight.to(hidden.dtype)) * self.scale
        return made if self.bias is None else made + self.bias


def quantise(model: Any) -> None:
    """Replace the layers' linears, one after the other; the vision tower and the head keep their precision."""
    for layer in model.model.language_model.layers:
        for module in list(layer.modules()):
            for name, child in list(module.named_children()):
                if isinstance(child, nn.Linear):
                    setattr(module, name, Int8Linear(child))
