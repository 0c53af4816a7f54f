"""Second lesson: the language model learns to read the tower's tokens and to answer."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.functional import cross_entropy
from transformers import Glm46VForConditionalGeneration, PreTrainedTokenizerFast

from service.micro.conversation import UNTOLD, Talk
from service.micro.draw import COLOURS, SHAPES
from service.micro.tower import Lesson
from service.micro.words import NAMES, PLURALS


def loss_of_words(
    model: Glm46VForConditionalGeneration, talk: Talk, tokens: torch.Tensor
) -> tuple[torch.Tensor, float]:
    """Return the mean loss a told token, and the share of told tokens that the model would say.

    `tokens` are the pictures' tokens as the tower gives them, (N * tokens, width).
    """
    text = model.model.language_model
    embedded = text.embed_tokens(talk.ids)
    embedded = embedded.masked_scatter((talk.ids == model.config.image_token_id)[..., None], tokens.to(embedded.dtype))
    states = text(inputs_embeds=embedded, position_ids=talk.positions, use_cache=False).last_hidden_state
    told = talk.told[:, 1:]
    logits = model.lm_head(states[:, :-1][told != UNTOLD])
    wanted = told[told != UNTOLD]
    return cross_entropy(logits, wanted), (logits.argmax(-1) == wanted).float().mean().item()


@torch.no_grad()
def align(model: Any, lesson: Lesson, words: PreTrainedTokenizerFast) -> None:
    """Start a fresh language model with words that point where the tower's tokens point, and with heads that match them.

    The first lesson's heads say in which direction a token is red, a circle or far left. A name starts in that direction,
    in both languages, as input and as output; half of the heads of the first layers start by looking, whatever the order,
    for what points where they do themselves. Left to chance, "the red one" finds its thing only after long training.
    """
    text = model.model.language_model
    pointing = _directions(lesson.token.weight)
    text.embed_tokens.weight.normal_(0, 0.3)
    for names in NAMES.values():
        for key, name in [*names.items(), *PLURALS.items()]:
            for said in (name, f" {name}"):
                spelt = words.encode(said)
                if len(spelt) == 1 and key in pointing:
                    text.embed_tokens.weight[spelt[0]] += 4 * pointing[key]
                    model.lm_head.weight[spelt[0]] += 0.5 * pointing[key]
    seen = torch.linalg.qr(torch.stack([pointing[key] for key in (*SHAPES, *COLOURS, "right", "below")]).T).Q.T
    ranks = len(seen)
    for layer in text.layers:
        layer.post_self_attn_layernorm.weight.fill_(0.15)  # At 1 each layer would drown what came before it.
        layer.post_mlp_layernorm.weight.fill_(0.15)
    for layer in text.layers[:2]:
        attention = layer.self_attn
        size, groups = attention.head_dim, attention.num_key_value_groups
        still = slice(size // 2, size // 2 + ranks)  # The second half of a head is not turned by position.
        attention.k_proj.weight[size // 2 : size] = 0
        attention.k_proj.weight[still] = 0.65 * seen
        attention.v_proj.weight[:ranks] = seen
        for head in range(groups):
            attention.q_proj.weight[head * size + size // 2 : (head + 1) * size] = 0
            attention.q_proj.weight[head * size + still.start : head * size + still.stop] = 0.65 * seen
            attention.o_proj.weight[:, head * size : head * size + ranks] = seen.T / groups


def _directions(weight: torch.Tensor) -> dict[str, torch.Tensor]:
    shapes, colours = weight[: len(SHAPES) + 1], weight[len(SHAPES) + 1 : -2]
    down, right = weight[-2], weight[-1]
    found = dict(zip(SHAPES, (shapes - shapes.mean(0))[1:], strict=True))
    found |= dict(zip(COLOURS, (colours - colours.mean(0))[1:], strict=True))
    found |= {"left": -right, "right": right, "above": -down, "below": down, "top": -down, "bottom": down}
    for side, along in (("left", -right), ("right", right)):
        found |= {f"top {side}": along - down, f"bottom {side}": along + down}
    return {name: direction / direction.norm() for name, direction in found.items()}
