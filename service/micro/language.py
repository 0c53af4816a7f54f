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
    """Start a fresh language model with words that find what they name among the tower's tokens.

    The first lesson's heads say in which direction a token is red, a circle or far left. A name gets that direction, in
    both languages: as output, and turned into a space apart as input. Half of the heads of the first two layers start by
    looking for what points, among the pictures' tokens, where a word points in the space apart, so that a word finds
    neither itself nor other words. Left to chance, "the red one" finds its thing only after long training.
    """
    text = model.model.language_model
    pointing = _directions(lesson.token.weight)
    basis = torch.stack([pointing[key] for key in (*SHAPES, *COLOURS, "right", "below")])
    rank, size, groups = len(basis), text.layers[0].self_attn.head_dim, text.layers[0].self_attn.num_key_value_groups
    both = torch.linalg.qr(torch.cat([basis, torch.randn_like(basis)]).T).Q.T
    seen, apart = both[:rank], both[rank:]
    text.embed_tokens.weight.normal_(0, 0.3)
    spellings = [pair for names in NAMES.values() for pair in names.items()] + list(PLURALS.items())
    for key, said in ((key, said) for key, name in spellings for said in (name, f" {name}")):
        spelt = words.encode(said)
        if len(spelt) == 1 and key in pointing:
            text.embed_tokens.weight[spelt[0]] += 4 * apart.T @ seen @ pointing[key]
            model.lm_head.weight[spelt[0]] += 0.5 * pointing[key]
    for layer in text.layers:
        layer.post_self_attn_layernorm.weight.fill_(0.15)  # At 1 each layer would drown what came before it.
        layer.post_mlp_layernorm.weight.fill_(0.15)
    still = slice(size // 2, size // 2 + rank)  # The second half of a head is not turned by position.
    for layer in text.layers[:2]:
        query = layer.self_attn.q_proj.weight.view(-1, size, both.shape[1])
        key = layer.self_attn.k_proj.weight.view(-1, size, both.shape[1])
        key[0, size // 2 :] = 0
        key[0, still] = 0.8 * seen
        query[:groups, size // 2 :] = 0
        query[:groups, still] = 0.8 * apart
        layer.self_attn.v_proj.weight[:rank] = seen
        for head in range(groups):
            layer.self_attn.o_proj.weight[:, head * size : head * size + rank] = seen.T / groups


def _directions(weight: torch.Tensor) -> dict[str, torch.Tensor]:
    shapes, colours = weight[: len(SHAPES) + 1], weight[len(SHAPES) + 1 : -2]
    down, right = weight[-2], weight[-1]
    found = dict(zip(SHAPES, (shapes - shapes.mean(0))[1:], strict=True))
    found |= dict(zip(COLOURS, (colours - colours.mean(0))[1:], strict=True))
    found |= {"left": -right, "right": right, "above": -down, "below": down, "top": -down, "bottom": down}
    for side, along in (("left", -right), ("right", right)):
        found |= {f"top {side}": along - down, f"bottom {side}": along + down}
    return {name: direction / direction.norm() for name, direction in found.items()}
