"""What the kernels compute, by the library's operations: for machines without a GPU, and to compare with."""

from typing import Any

import torch
from torch.nn.functional import silu

from service.vision.engine.fused import normed, turn
from service.vision.engine.gpu.kernels import Shape


class TorchKernels:
    """As `kernels.Kernels`."""

    def __init__(self, shape: Shape, dtype: torch.dtype) -> None:
        self.shape = shape

    def add_norm(self, hidden: torch.Tensor, found: torch.Tensor, after: Any, following: Any) -> torch.Tensor:
        hidden += normed(found, after)
        return normed(hidden, following)

    def turn(
        self, looks: torch.Tensor, turns: torch.Tensor, lined_up: torch.Tensor, kept: torch.Tensor
    ) -> torch.Tensor:
        heads, rows = self.shape.heads, len(looks)
        pairs = looks.clone().view(rows, -1, self.shape.head)
        by = turns[lined_up[1] + lined_up[2]][:, None]
        turn(pairs[:, : heads + self.shape.kept, : 2 * turns.shape[-1]], by)
        kept[torch.arange(rows, device=looks.device), :, lined_up[1]] = pairs[:, heads:]
        return pairs[:, :heads].contiguous()

    def gate(self, both: torch.Tensor) -> torch.Tensor:
        gate, up = both.chunk(2, dim=-1)
        return up * silu(gate)
