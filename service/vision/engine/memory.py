"""What a model needs, computed before it is loaded: a clear error now rather than a death later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from service.vision.engine.gpu.graphs import spans
from service.vision.engine.protocol import EngineUnusable
from service.vision.engine.tower import KEPT_SHAPES

BYTES = {"bf16": 2, "fp16": 2, "fp32": 4, "int8": 2}  # int8 is for the language model's linears; the rest is bf16.
_GIB = 1 << 30
_CHOOSING = 40  # Bytes a token of the vocabulary while the next one is chosen: logits, their order, their chances.
_BASE = {"cpu": 0.1, "cuda": 1.0}  # GiB of libraries and kernels besides the model; on the CPU most are loaded already.
_COMPILER = 0.8  # GiB: what it leaves in this process, and a process of its own for a minute.

KEPT_PICTURES = 16
"""Pictures of the largest size whose features are remembered."""


@dataclass(frozen=True)
class Need:
    """Bytes: the weights, the keys and values of one full context, and what a step works with; `token` of them a
    token of keys and values, of all layers.
    """

    weights: int
    cache: int
    work: int
    token: int

    @property
    def total(self) -> int:
        return self.weights + self.cache + self.work

    def tokens(self, left: int) -> int:
        """Keys and values of so many tokens fit into `left` bytes beside the rest."""
        return (left - self.weights - self.work) // self.token


def need(
    config: Any,
    parameters: int,
    *,
    device: str,
    precision: str,
    context: int,
    rows: int,
    max_pixels: int,
    compiled: bool,
) -> Need:
    """Estimate from the model's configuration (a Glm46VConfig or Glm4vConfig) and its number of parameters."""
    text, vision, size = config.text_config, config.vision_config, BYTES[precision]
    head = text.hidden_size // text.num_attention_heads
    token = 2 * text.num_hidden_layers * text.num_key_value_heads * head * size
    patches = max_pixels // vision.patch_size**2
    # A block holds its input, the three projections, the gated pair and its output.
    tower = patches * (5 * vision.hidden_size + 3 * vision.intermediate_size) * size
    prefill = context * (4 * text.hidden_size + 3 * text.intermediate_size) * size
    kept = KEPT_PICTURES * patches // vision.spatial_merge_size**2 * text.hidden_size * size
    # Complex numbers of two halves of a head's size, and what is added to each patch.
    kept += KEPT_SHAPES * patches * (4 * vision.hidden_size // vision.num_heads + vision.hidden_size * size)
    logits = rows * text.vocab_size * _CHOOSING
    if device == "cuda":  # Each recorded step keeps its own, of 1, 2, 4, ... rows for each span.
        logits += 2 * rows * spans(context) * text.vocab_size * 4
    work = max(tower, prefill) + kept + logits + int((_BASE[device] + (_COMPILER if compiled else 0)) * _GIB)
    return Need(weights=_weights(text, parameters, precision), cache=token * context, work=work, token=token)


def _weights(text: Any, parameters: int, precision: str) -> int:
    size = BYTES[precision]
    if precision != "int8":
        return parameters * size
    head = text.hidden_size // text.num_attention_heads
    attention = 2 * text.hidden_size * head * (text.num_attention_heads + text.num_key_value_heads)
    halved = text.num_hidden_layers * (attention + 3 * text.hidden_size * text.intermediate_size)
    return halved + (parameters - halved) * size


def require(needed: Need, left: int, *, model: str, device: str, precision: str, context: int) -> None:
    """Raises EngineUnusable, with the remedy, if `needed` is more than the `left` bytes."""
    if needed.total <= left:
        return
    remedies = ["a smaller CASEMATE_VISION_MAX_CONTEXT", "more memory" if device == "cpu" else "a larger GPU"]
    if precision != "int8":
        remedies.insert(0, f"CASEMATE_VISION_PRECISION={'bf16' if precision == 'fp32' else 'int8'}")
    raise EngineUnusable(
        f"{model} in {precision} needs {_gib(needed.total)} on {device} (weights {_gib(needed.weights)}, "
        f"{context} tokens of context {_gib(needed.cache)}, work {_gib(needed.work)}), but {_gib(left)} are left; "
        f"next: {', or '.join(remedies)}"
    )


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"
