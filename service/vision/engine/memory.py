"""What a model needs, computed before it is loaded: a clear error now rather than a death later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.vision.engine.protocol import EngineUnusable

BYTES = {"bf16": 2, "fp16": 2, "fp32": 4}
_GIB = 1 << 30
_BASE = {"cpu": 0.1, "cuda": 0.8}  # GiB of libraries and kernels besides the model; on the CPU most are loaded already.


@dataclass(frozen=True)
class Need:
    """Bytes: the weights, the keys and values of a full context for each row, and what a step works with."""

    weights: int
    cache: int
    work: int

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.work


def need(
    config: Any, parameters: int, *, device: str, precision: str, context: int, rows: int, max_pixels: int
) -> Need:
    """Estimate from the model's configuration (a Glm46VConfig or Glm4vConfig) and its number of parameters."""
    text, vision, size = config.text_config, config.vision_config, BYTES[precision]
    head = text.hidden_size // text.num_attention_heads
    token = 2 * text.num_hidden_layers * text.num_key_value_heads * head * size
    patches = max_pixels // vision.patch_size**2
    # A block holds its input, the three projections, the gated pair and its output.
    tower = patches * (5 * vision.hidden_size + 3 * vision.intermediate_size) * size
    prefill = context * (4 * text.hidden_size + 3 * text.intermediate_size) * size
    logits = rows * text.vocab_size * 4
    work = max(tower, prefill) + logits + int(_BASE[device] * _GIB)
    return Need(weights=parameters * size, cache=token * context * rows, work=work)


def require(needed: Need, left: int, *, model: str, device: str, precision: str, context: int) -> None:
    """Raises EngineUnusable, with the remedy, if `needed` is more than the `left` bytes."""
    if needed.total <= left:
        return
    remedies = ["a smaller CASEMATE_VISION_MAX_CONTEXT", "more memory" if device == "cpu" else "a larger GPU"]
    if precision == "fp32":
        remedies.insert(0, "CASEMATE_VISION_PRECISION=bf16")
    raise EngineUnusable(
        f"{model} in {precision} needs {_gib(needed.total)} on {device} (weights {_gib(needed.weights)}, "
        f"{context} tokens of context {_gib(needed.cache)}, work {_gib(needed.work)}), but {_gib(left)} are left; "
        f"next: {', or '.join(remedies)}"
    )


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"
