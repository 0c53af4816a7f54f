"""What the operator chose about the engine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Choices:
    """Device cpu or cuda, precision bf16, fp16, fp32 or int8; tokens and pixels at most; how many answers are decoded
    at once, how many tokens of prompts may wait, and whether the model is compiled first.
    """

    path: Path
    device: str
    precision: str
    max_context: int
    max_new_tokens: int
    max_pixels: int
    batch: int
    queue_tokens: int
    compile: bool = False
