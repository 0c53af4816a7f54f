"""Decode steps as CUDA graphs: recorded once for a shape, then started as one.

A step of a few rows through a model of forty layers is some nine hundred kernels; Python needs longer to start them
than the GPU to run them (PyTorch, "CUDA semantics", section "CUDA Graphs"). What torch.compile would add to that, fewer
and larger kernels, needs a C compiler, which a sealed container does not have: see kernels.py.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from service.vision import faults
from service.vision.engine.slots import Slots, power

_SPAN = 256
"""Tokens; spans are powers of two from here on, so that a handful of graphs serves every length."""


def spans(context: int) -> int:
    """How many there are at most."""
    return max(1, (power(context) // _SPAN).bit_length())


@dataclass(frozen=True)
class _Recorded:
    graph: torch.cuda.CUDAGraph
    lined_up: torch.Tensor
    logits: torch.Tensor


class Graphs:
    """Takes steps for a decoder: `take` gets tokens, places and offsets (3, rows) and how far back rows look."""

    def __init__(self, take: Callable[[torch.Tensor, int], torch.Tensor], slots: Slots, device: torch.device) -> None:
        self._take = take
        self._slots = slots
        self._device = device
        self._recorded: dict[tuple[int, int], _Recorded | None] = {}
        self._made = 0
        self._memory = torch.cuda.graph_pool_handle()

    def step(self, lined_up: list[list[int]], span: int) -> torch.Tensor:
        """Logits (rows, vocabulary), to be used before the next step.

        Rows that nobody has are computed too: they write only to the first token of their own places, which whoever
        comes next overwrites.
        """
        rows = len(lined_up[0])
        if self._made != self._slots.made:  # A graph has the addresses of what it read.
            self._recorded.clear()
            self._made, self._memory = self._slots.made, torch.cuda.graph_pool_handle()
        shape = min(power(rows), self._slots.shape[0]), min(power(max(span, _SPAN)), self._slots.shape[1])
        padded = torch.tensor([line + [0] * (shape[0] - rows) for line in lined_up]).to(self._device)
        known = self._recorded.get(shape)
        if known:
            known.lined_up.copy_(padded)
            known.graph.replay()
            return known.logits[:rows]
        logits = self._take(padded, shape[1])
        if shape not in self._recorded:
            self._recorded[shape] = self._try(padded, shape[1])
        return logits[:rows]

    def _try(self, lined_up: torch.Tensor, span: int) -> _Recorded | None:
        """None where it cannot be recorded, for want of memory say: such steps are taken one operation at a time."""
        try:
            return self._record(lined_up, span)
        except Exception as error:
            faults.tell(error)
            return None

    def _record(self, lined_up: torch.Tensor, span: int) -> _Recorded:
        graph = torch.cuda.CUDAGraph()
        # A precaution: what another thread did on the GPU would be no fault of the recording.
        with torch.cuda.graph(graph, pool=self._memory, capture_error_mode="thread_local"):
            logits = self._take(lined_up, span)
        return _Recorded(graph, lined_up, logits)
