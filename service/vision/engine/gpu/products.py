"""Products of a few rows with eight-bit weights: widened on their way, they are read once and at half the bytes.

The library would write all weights out in bf16 first, which takes five times as long as the product; see products.cu.
"""

from __future__ import annotations

from pathlib import Path

import torch

from service.vision.engine.gpu.nvrtc import Program

_SOURCE = Path(__file__).with_name("products.cu")
_THREADS, _SUM_THREADS = 128, 256
_OUTPUTS, _INPUTS, _ROWS = 64, 64, 16
_BLOCKS_A_PROCESSOR = 8
MOST_ROWS = 64
"""For more of them weights are widened first, and multiplied as others are."""


class Products:
    """On one GPU. Raises KernelError, ImportError where the libraries are missing."""

    def __init__(self) -> None:
        program = Program(_SOURCE, torch.bfloat16, {})
        self._of_eight, self._of_sixteen = program.kernel("product_8"), program.kernel("product_16")
        self._sum = program.kernel("sum_slices")
        self._processors = torch.cuda.get_device_properties().multi_processor_count

    @staticmethod
    def pays(hidden: torch.Tensor, weight: torch.Tensor) -> bool:
        """Whether it is quicker than widening the weights, for hidden (..., inputs) and weights (outputs, inputs)."""
        few = hidden.numel() <= MOST_ROWS * hidden.shape[-1]
        return few and not (weight.shape[0] % _OUTPUTS or weight.shape[1] % _INPUTS)

    def of(
        self, hidden: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        """hidden (rows, inputs) in bf16; weight int8 (outputs, inputs); what comes back is (rows, outputs)."""
        some = hidden.split(_ROWS)
        made = [self._of(rows, weight, scale, bias) for rows in some]
        return made[0] if len(made) == 1 else torch.cat(made)

    def _of(
        self, hidden: torch.Tensor, weight: torch.Tensor, scale: torch.Tensor, bias: torch.Tensor | None
    ) -> torch.Tensor:
        rows, (outputs, inputs) = len(hidden), weight.shape
        blocks, steps = outputs // _OUTPUTS, inputs // _INPUTS
        wished = -(-_BLOCKS_A_PROCESSOR * self._processors // blocks)
        slice_steps = -(-steps // min(wished, steps))
        slices = -(-steps // slice_steps)
        parts = hidden.new_empty(slices, rows, outputs, dtype=torch.float32)
        out = hidden.new_empty(rows, outputs)
        product = self._of_eight if rows <= _ROWS // 2 else self._of_sixteen
        shape = (outputs, inputs, rows, slice_steps * _INPUTS)
        product((blocks, slices), (_THREADS, 1), weight, hidden, parts, *shape)
        grid = (-(-outputs * rows // _SUM_THREADS), 1)
        self._sum(grid, (_SUM_THREADS, 1), parts, scale, bias, out, outputs, rows, slices)
        return out
