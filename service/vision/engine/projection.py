"""A convolution that sees its whole input at once is a matrix product, and quicker as one."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


class Projection(nn.Module):
    """In place of a convolution whose kernel has the size of what it is given: (n, channels, ...) to (n, out)."""

    def __init__(self, convolution: Any) -> None:
        super().__init__()
        self.weight = nn.Parameter(convolution.weight.flatten(1), requires_grad=False)
        self.bias = convolution.bias

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return nn.functional.linear(hidden.flatten(1), self.weight, self.bias)
