"""From a directory to everything that answers: checked, weighed, loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers.models.glm4v.configuration_glm4v import Glm4vConfig
from transformers.models.glm46v.configuration_glm46v import Glm46VConfig

from service.vision.cgroup import memory_left
from service.vision.engine.checkpoint import Checkpoint, inspect
from service.vision.engine.memory import need, require
from service.vision.engine.model import load
from service.vision.engine.prompt import Prompter
from service.vision.engine.protocol import EngineUnusable
from service.vision.engine.sampling import Defaults
from service.vision.engine.words import Words
from service.vision.engine.worker import Worker


@dataclass(frozen=True)
class Choices:
    """What the operator chose: device cpu or cuda, precision bf16, fp16 or fp32; tokens and pixels at most."""

    path: Path
    device: str
    precision: str
    max_context: int
    max_new_tokens: int
    max_pixels: int


@dataclass(frozen=True)
class Loaded:
    """`context`: prompt and answer together, in tokens."""

    worker: Worker
    prompter: Prompter
    defaults: Defaults
    context: int


def assemble(choices: Choices, rows: int) -> Loaded:
    """Load, for `rows` jobs at once. Raises EngineUnusable."""
    checkpoint = inspect(choices.path)
    config = _config(checkpoint)
    context = min(choices.max_context, config.text_config.max_position_embeddings)
    _weigh(choices, checkpoint, config, context, rows)
    words = Words(checkpoint.path)
    prompter = Prompter(checkpoint, words, config.image_token_id, choices.max_pixels, context)
    defaults = Defaults.read(checkpoint.path, config.text_config.eos_token_id or ())
    if not defaults.stops:
        raise EngineUnusable(f"{checkpoint.path}: no eos_token_id; next: add the checkpoint's generation_config.json")
    model = load(checkpoint, choices.device, choices.precision)
    return Loaded(Worker(model, words, defaults.stops), prompter, defaults, context)


def _config(checkpoint: Checkpoint) -> Glm46VConfig | Glm4vConfig:
    kind = Glm46VConfig if checkpoint.architecture.startswith("Glm46V") else Glm4vConfig
    return kind.from_pretrained(checkpoint.path, local_files_only=True)


def _weigh(
    choices: Choices, checkpoint: Checkpoint, config: Glm46VConfig | Glm4vConfig, context: int, rows: int
) -> None:
    if choices.device == "cuda" and not torch.cuda.is_available():
        raise EngineUnusable("there is no CUDA device; next: give the container a GPU, or CASEMATE_VISION_DEVICE=cpu")
    needed = need(
        config,
        checkpoint.parameters,
        device=choices.device,
        precision=choices.precision,
        context=context,
        rows=rows,
        max_pixels=choices.max_pixels,
    )
    left = memory_left() if choices.device == "cpu" else torch.cuda.mem_get_info()[0]
    name = checkpoint.path.name
    require(needed, left, model=name, device=choices.device, precision=choices.precision, context=context)
