"""Second lesson: the language model learns to read the tower's tokens and to answer."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy
from transformers import Glm46VForConditionalGeneration

from service.micro.conversation import UNTOLD, Talk


def loss_of_words(model: Glm46VForConditionalGeneration, talk: Talk, tokens: torch.Tensor) -> torch.Tensor:
    """Return the mean loss a told token; `tokens` are the pictures' as the tower gives them, (N * tokens, width)."""
    text = model.model.language_model
    embedded = text.embed_tokens(talk.ids)
    embedded = embedded.masked_scatter((talk.ids == model.config.image_token_id)[..., None], tokens.to(embedded.dtype))
    states = text(inputs_embeds=embedded, position_ids=talk.positions, use_cache=False).last_hidden_state
    told = talk.told[:, 1:]
    return cross_entropy(model.lm_head(states[:, :-1][told != UNTOLD]), told[told != UNTOLD])
