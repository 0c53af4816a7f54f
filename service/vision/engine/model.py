"""Loading a checkpoint's weights, and running them one row at a time."""

from __future__ import annotations

from typing import Any

import torch
from transformers import logging
from transformers.cache_utils import DynamicCache
from transformers.models.glm4v.modeling_glm4v import Glm4vForConditionalGeneration
from transformers.models.glm46v.modeling_glm46v import Glm46VForConditionalGeneration

from service.vision.engine.checkpoint import Checkpoint
from service.vision.engine.prompt import Prompt
from service.vision.engine.protocol import EngineUnusable

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32}


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
    return model.eval().requires_grad_(False).to(device)


class Row:
    """One job inside the model: its keys and values, and where it stands.

    Positions are always passed: left to itself the model keeps the offset of the last picture that it saw, of whichever
    job that was.
    """

    def __init__(self, model: Any, prompt: Prompt) -> None:
        self._model = model
        self._device = model.device
        self._cache = DynamicCache(config=model.config)
        self._length = prompt.length
        self._prompt = prompt
        self._offset = 0

    def prefill(self) -> torch.Tensor:
        """Read the prompt; logits (vocabulary,) of the first token of the answer."""
        prompt, ids = self._prompt, self._prompt.ids
        positions, offset = self._model.model.get_rope_index(ids, prompt.kinds, image_grid_thw=prompt.grid)
        self._offset = int(offset)
        pixels = None if prompt.pixels is None else prompt.pixels.to(self._device, self._model.dtype)
        grid = None if prompt.grid is None else prompt.grid.to(self._device)
        text = torch.arange(self._length).view(1, 1, -1)
        return self._forward(ids, torch.cat([text, positions]), pixel_values=pixels, image_grid_thw=grid)

    def step(self, token: int) -> torch.Tensor:
        """Take the token that was chosen; logits (vocabulary,) of the next one."""
        rotary = self._length + self._offset
        positions = torch.tensor([self._length, rotary, rotary, rotary]).view(4, 1, 1)
        self._length += 1
        return self._forward(torch.tensor([[token]]), positions)

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor, **pictures: torch.Tensor | None) -> torch.Tensor:
        output = self._model(
            input_ids=ids.to(self._device),
            position_ids=positions.to(self._device),
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
            **pictures,
        )
        logits: torch.Tensor = output.logits[0, -1]
        return logits
