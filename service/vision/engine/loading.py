"""From a directory to everything that answers: checked, weighed, loaded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers.models.glm4v.configuration_glm4v import Glm4vConfig
from transformers.models.glm46v.configuration_glm46v import Glm46VConfig

from service.vision.cgroup import cpus, memory_left
from service.vision.engine.checkpoint import Checkpoint, inspect
from service.vision.engine.choices import Choices
from service.vision.engine.compiled import compile_both
from service.vision.engine.compiler import require as require_compiler
from service.vision.engine.decoder import Decoder
from service.vision.engine.features import Features
from service.vision.engine.memory import KEPT_PICTURES, need, require
from service.vision.engine.model import load
from service.vision.engine.prompt import Prompter
from service.vision.engine.protocol import EngineUnusable
from service.vision.engine.sampling import Defaults
from service.vision.engine.slots import Slots, whole_steps
from service.vision.engine.words import Words
from service.vision.engine.worker import Worker
from service.vision.share import Shares

_PREFILL_TOKENS = 2048
"""Prompts of so many tokens together are read at once: more would keep those who are being answered waiting."""

_PREFILL_PATCHES = 1536
"""Small pictures are read together up to so many patches, a large one by itself: more would leave a CPU's cache."""

_SMALL = 50_000_000
"""Parameters; below, sharing an operation between processors costs more than it saves."""


@dataclass(frozen=True)
class Loaded:
    """`context`: prompt and answer together, in tokens."""

    worker: Worker
    decoder: Decoder
    prompter: Prompter
    defaults: Defaults
    context: int


def assemble(choices: Choices) -> Loaded:
    """Load. Raises EngineUnusable."""
    if choices.compile:
        require_compiler(choices.device)
    checkpoint = inspect(choices.path)
    config = _config(checkpoint)
    context = min(choices.max_context, config.text_config.max_position_embeddings)
    tokens = _weigh(choices, checkpoint, config, context)
    torch.set_num_threads(1 if checkpoint.parameters < _SMALL else max(1, int(cpus())))
    words = Words(checkpoint.path)
    defaults = Defaults.read(checkpoint.path, config.text_config.eos_token_id or ())
    if not defaults.stops:
        raise EngineUnusable(f"{checkpoint.path}: no eos_token_id; next: add the checkpoint's generation_config.json")
    prompter = Prompter(checkpoint, words, config.image_token_id, choices.max_pixels, context)
    model = load(checkpoint, choices.device, choices.precision)
    decoder = Decoder(model, _slots(model, tokens), context)
    most = prompter.most_patches
    if choices.compile:
        compile_both(decoder, model.model.visual)
    kept = KEPT_PICTURES * most // prompter.patches_a_token
    prompter.shades.to(model.device, model.dtype)
    features = Features(model, prompter.shades, kept, max(most, _PREFILL_PATCHES))
    waiting = Shares(choices.queue_tokens, "prompt tokens are waiting")
    worker = Worker(decoder, features, words, defaults.stops, choices.batch, _PREFILL_TOKENS, waiting)
    for part in (*model.model.language_model.layers, *model.model.visual.blocks):
        part.register_forward_pre_hook(lambda *_: worker.show_life())
    return Loaded(worker, decoder, prompter, defaults, context)


def _slots(model: Any, tokens: int) -> Slots:
    text = model.config.text_config
    layers, heads = text.num_hidden_layers, text.num_key_value_heads
    head = text.hidden_size // text.num_attention_heads
    return Slots(layers, heads, head, tokens, like=torch.empty(0, dtype=model.dtype, device=model.device))


def _config(checkpoint: Checkpoint) -> Glm46VConfig | Glm4vConfig:
    kind = Glm46VConfig if checkpoint.architecture.startswith("Glm46V") else Glm4vConfig
    return kind.from_pretrained(checkpoint.path, local_files_only=True)


def _weigh(choices: Choices, checkpoint: Checkpoint, config: Glm46VConfig | Glm4vConfig, context: int) -> int:
    """How many tokens of keys and values there is room for: one whole context at least."""
    if choices.device == "cuda" and not torch.cuda.is_available():
        raise EngineUnusable("there is no CUDA device; next: give the container a GPU, or CASEMATE_VISION_DEVICE=cpu")
    whole = whole_steps(context)
    needed = need(
        config,
        checkpoint.parameters,
        device=choices.device,
        precision=choices.precision,
        context=whole,
        rows=choices.batch,
        max_pixels=choices.max_pixels,
        compiled=choices.compile,
    )
    left = memory_left() if choices.device == "cpu" else torch.cuda.mem_get_info()[0]
    name = checkpoint.path.name
    require(needed, left, model=name, device=choices.device, precision=choices.precision, context=context)
    return min(needed.tokens(left), choices.batch * whole)
