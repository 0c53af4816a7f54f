"""Loading a checkpoint's weights."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import ModuleList
from transformers import logging
from transformers.models.glm4v.modeling_glm4v import Glm4vForConditionalGeneration
from transformers.models.glm46v.modeling_glm46v import Glm46VForConditionalGeneration

from service.vision.engine.checkpoint import Checkpoint
from service.vision.engine.fused import by_column
from service.vision.engine.layer import Layer
from service.vision.engine.protocol import EngineUnusable
from service.vision.engine.quantization import quantise
from service.vision.engine.tower import Tower

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32, "int8": torch.bfloat16}


def load(checkpoint: Checkpoint, device: str, precision: str) -> Any:
    """The model on its device, ready to run. Raises EngineUnusable."""
    logging.disable_progress_bar()
    kinds = (Glm46VForConditionalGeneration, Glm4vForConditionalGeneration)
    kind = next(kind for kind in kinds if kind.__name__ == checkpoint.architecture)
    try:
        model, report = kind.from_pretrained(
            checkpoint.path,
            dtype=DTYPES[precision],
            attn_implementation="sdpa",  # Eager attention in the vision tower wants 13 GiB for one large picture.
            use_safetensors=True,
            local_files_only=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError) as error:
        raise EngineUnusable(f"{checkpoint.path} cannot be loaded: {error}; next: casemate release verify") from error
    if wrong := sorted(str(key) for kind in ("missing_keys", "mismatched_keys") for key in report[kind]):
        raise EngineUnusable(f"{checkpoint.path}: no fitting weights for {', '.join(wrong[:3])} ({len(wrong)} in all)")
    model.eval().requires_grad_(False)
    text = model.model.language_model
    text.layers = ModuleList([Layer(layer) for layer in text.layers])
    model.model.visual = Tower(model.model.visual)
    if precision == "int8":  # Before it moves: the device never holds more than it was weighed for.
        quantise(model)
    if (device, precision) == ("cpu", "fp32"):
        by_column(model)
    return model.to(device)
