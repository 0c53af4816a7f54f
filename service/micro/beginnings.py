"""How weights begin: not quite at random, which saves hours of training on two cores."""

from __future__ import annotations

from typing import Any

import torch
from transformers import PreTrainedTokenizerFast

from service.micro.draw import COLOURS, SHAPES
from service.micro.tower import Lesson
from service.micro.words import NAMES, PLURALS

_AHEAD = ((0, 1), (1, 0), (0, -1), (-1, 0))
_ASKEW = ((1, 1), (1, -1), (-1, -1), (-1, 1))
LOOKS = (_AHEAD, _ASKEW, tuple((2 * y, 2 * x) for y, x in _AHEAD), _ASKEW, _AHEAD, _ASKEW)


@torch.no_grad()
def look_around(tower: Any, constant: float = 4.0, sharpness: float = 2.5) -> None:
    """Start a fresh tower as a convolution: each head of a block looks at one neighbour, in patches down and right.

    The blocks have no biases, so channel 0 of the position embedding holds a constant, and the columns of the query and
    key weights that read it hold the angles at which the rotary embedding answers most to that neighbour.
    """
    tower.embeddings.position_embedding.weight[:, 0] = constant
    tower.patch_embed.proj.weight[0] = 0
    tower.patch_embed.proj.bias[0] = 0
    for block, looks in zip(tower.blocks, LOOKS, strict=False):
        width, heads = block.attn.dim, block.attn.num_heads
        query, key, _ = block.attn.qkv.weight.view(3, heads, width // heads, width).unbind(0)
        speeds = tower.rotary_pos_emb.inv_freq
        strength = torch.where(speeds > 0.5, sharpness, sharpness / 3).sqrt().repeat(2)
        query.mul_(0.1)
        key.mul_(0.1)
        for head, (down, right) in enumerate(looks):
            angles = torch.cat([speeds * down, speeds * right])
            key[head, :, 0] = torch.cat([strength, torch.zeros_like(strength)])
            query[head, :, 0] = torch.cat([strength * angles.cos(), strength * angles.sin()])


@torch.no_grad()
def align(model: Any, lesson: Lesson, words: PreTrainedTokenizerFast) -> None:
    """Start a fresh language model with words that find what they name among the tower's tokens.

    The lesson's heads say in which direction a token is red, a circle or far left. A name gets that direction, in both
    languages: as output, and turned into a space apart as input. Half of the heads of the first two layers start by
    looking for what points, among the picture's tokens, where a word points in the space apart, so that a word finds
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


@torch.no_grad()
def amplify(lesson: Lesson, times: float = 4.0) -> None:
    """Let the tower say where things are `times` as loudly, and its heads listen so much less.

    The lesson is content with a whisper, which the language model, normalising what it hears, is slow to notice.
    """
    where = torch.linalg.qr(lesson.token.weight[-2:].T).Q
    along = where @ where.T
    last = lesson.tower.merger.down_proj
    last.weight += (times - 1) * along @ last.weight
    for head in (lesson.token, lesson.figure):
        head.weight -= (1 - 1 / times) * head.weight @ along
