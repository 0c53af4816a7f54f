"""The small operations between a step's large products: one launch each, where torch takes twenty a layer.

On an H200 a step of GLM-4.6V-Flash spends half of its time on them. They are what torch.compile would make of them,
without the compiler that it needs; see kernels.cu.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from service.vision.engine.gpu.nvrtc import Long, Program

_SOURCE = Path(__file__).with_name("kernels.cu")
_NORM_THREADS, _GATE_THREADS = 512, 256


@dataclass(frozen=True)
class Shape:
    """Of a text model: hidden size, heads of queries and of keys, a head's size, how many of its pairs are turned."""

    size: int
    heads: int
    kept: int
    head: int
    pairs: int


class Kernels:
    """For one model on one GPU. Raises KernelError, ImportError where the libraries are missing."""

    def __init__(self, shape: Shape, dtype: torch.dtype) -> None:
        defines = {"SIZE": shape.size, "HEADS": shape.heads, "KEPT": shape.kept, "HEAD": shape.head}
        program = Program(_SOURCE, dtype, {**defines, "PAIRS": shape.pairs})
        self._shape = shape
        self._add_norm, self._turn, self._gate = map(program.kernel, ("add_norm", "turn", "gate"))

    def add_norm(self, hidden: torch.Tensor, found: torch.Tensor, after: Any, following: Any) -> torch.Tensor:
        """hidden (rows, hidden size) += after(found), in place; gives following(hidden). Both are RMS norms."""
        out = torch.empty_like(hidden)
        given = (hidden, found, after.weight, following.weight, out, float(after.variance_epsilon))
        self._add_norm((len(hidden), 1), (_NORM_THREADS, 1), *given)
        return out

    def turn(
        self, looks: torch.Tensor, turns: torch.Tensor, lined_up: torch.Tensor, kept: torch.Tensor
    ) -> torch.Tensor:
        """Rotary positions: queries come back, keys and values go to their places in `kept` (see slots.Slots).

        looks (rows, queries, keys and values of all heads); turns (positions, pairs), complex; lined_up (3, rows).
        """
        heads, rows = self._shape.heads, len(looks)
        queries = looks.new_empty(rows, heads, self._shape.head)
        given = (looks, turns, lined_up, queries, kept, Long(kept.shape[2]))
        self._turn((heads + 2 * self._shape.kept, rows), (self._shape.head // 2, 1), *given)
        return queries

    def gate(self, both: torch.Tensor) -> torch.Tensor:
        """up * silu(gate) of gates and ups (rows, twice a size), side by side."""
        rows, size = both.shape[0], both.shape[1] // 2
        out = both.new_empty(rows, size)
        self._gate((-(-rows * size // _GATE_THREADS), 1), (_GATE_THREADS, 1), both, out, Long(size), Long(rows * size))
        return out
