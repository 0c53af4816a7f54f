"""A model's computations compiled before the first request, for a CPU; see computations.py for which.

It is torch.compile's own compiler over what torch.export traced. What torch.compile itself makes looks at every call
whether it still fits, for a tenth of the time of the micro model's step, and where it does not fit it compiles again,
for as long as ten seconds of somebody's answer. What is made here fits every number of rows, tokens and patches.
"""

from __future__ import annotations

import warnings

import torch
from torch.export.graph_signature import InputKind

from service.vision import faults
from service.vision.engine.compiler import SETTING, workshop
from service.vision.engine.computations import Read, Seen, Step
from service.vision.engine.decoder import Decoder
from service.vision.engine.protocol import EngineUnusable
from service.vision.engine.tower import Tower

_WEIGHTS = {InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR}
# Called from C++: that leaves a third of a step's time, and lets other threads run meanwhile. Headers compiled before
# would lie in a directory that anybody may have made, and stay there.
_OPTIONS = {"config_patches": {"cpp_wrapper": True, "cpp_cache_precompile_headers": False}}


class Compiled:
    """One of the computations. Should it ever fail, it is done as it stands from then on: slowly, but it is done."""

    def __init__(self, computation: Step | Read | Seen) -> None:
        self._computation = computation
        inputs, sizes = computation.example()
        traced = torch.export.export(computation, inputs, dynamic_shapes=sizes)
        known = {**traced.state_dict, **traced.constants}
        self._weights = [known[one.target] for one in traced.graph_signature.input_specs if one.kind in _WEIGHTS]
        self._made = torch._inductor.standalone_compile(
            traced.graph_module, [*self._weights, *inputs], options=_OPTIONS
        )
        self.works = True

    def __call__(self, *inputs: torch.Tensor) -> torch.Tensor:
        if self.works:
            try:
                made: torch.Tensor = self._made(*self._weights, *inputs)[0]
                return made
            except Exception as error:
                made = self._computation(*inputs)  # What fails here too, for want of memory say, is no fault of it.
                self.works = False
                faults.tell(error)
                return made
        return self._computation(*inputs)


class Language:
    """See `decoder.CompiledLanguage`."""

    def __init__(self, decoder: Decoder) -> None:
        self.step, self.read = Compiled(Step(decoder)), Compiled(Read(decoder))


@torch.no_grad()
def compile_both(decoder: Decoder, tower: Tower) -> None:
    """Have both compute compiled from now on; it takes a minute. Raises EngineUnusable."""
    try:
        with workshop(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            decoder.compiled, tower.compiled = Language(decoder), Compiled(Seen(tower))
    except Exception as error:
        lines = f"{type(error).__name__}: {error}".strip().splitlines()
        what = next((line for line in lines if "error: " in line), lines[0])[:300]
        raise EngineUnusable(f"{SETTING}: the model cannot be compiled: {what}; next: unset {SETTING}") from error
