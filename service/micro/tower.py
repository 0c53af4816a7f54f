"""First lesson: the vision tower learns what is where, told cell by cell; the heads that tell it are dropped."""

from __future__ import annotations

from types import MethodType
from typing import Any

import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, mse_loss, scaled_dot_product_attention
from transformers.models.glm4v.modeling_glm4v import apply_rotary_pos_emb_vision

from service.micro.album import FIGURE, FINE, Batch
from service.micro.draw import COLOURS, SHAPES

EARLY = 1  # The block after which inside is told from outside, whatever the colours.
NOTHING = 0  # The class of background; shapes and colours count from 1.
_SHAPE = {name: i for i, name in enumerate(SHAPES, start=1)}
_COLOUR = {name: i for i, name in enumerate(COLOURS, start=1)}


class Lesson(nn.Module):
    """Linear heads over patches (before the tower merges them) and over the tokens that it hands to the language model.

    A patch says which shape and colour covers it; a token says which shape and colour has its centre there, and where
    it is itself. Dense answers teach shapes many times faster than one label a picture does.
    """

    def __init__(self, tower: nn.Module, width: int, token_width: int) -> None:
        super().__init__()
        classes = len(SHAPES) + 1 + len(COLOURS) + 1
        self.tower = tower
        self.early = nn.Linear(width, FINE * FINE)
        self.patch = nn.Linear(width, classes)
        self.token = nn.Linear(token_width, classes + 2)
        self.figure = nn.Linear(token_width, FIGURE * FIGURE)

    def forward(
        self, batch: Batch, places: float = 0.0, exact: bool = False, nothing: float = 0.25
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the loss and the tokens (N * tokens, width).

        `places` is the weight of saying where a thing is: its token's place, or if `exact` its own. `nothing`
        is that of a token where no thing has its centre: below 1 it sees things sooner, but near a border sees double.
        """
        seen: list[torch.Tensor] = []
        watched = (self.tower.blocks[EARLY], self.tower.post_layernorm)
        hooks = [
            module.register_forward_hook(lambda _module, _inputs, output: seen.append(output)) for module in watched
        ]
        tokens = self.tower(batch.pixels, grid_thw=batch.grid_thw).pooler_output
        for hook in hooks:
            hook.remove()
        token = self.token(tokens).view(len(batch.scenes), -1, self.token.out_features)
        early = self.early(seen[0]).view(len(batch.scenes), -1, self.early.out_features)
        patch = self.patch(seen[1]).view(len(batch.scenes), -1, self.patch.out_features)
        loss = _told(patch, batch, batch.inside, 0.25) + 2 * _told(token, batch, batch.middle, nothing)
        things = batch.middle > 0
        where = _where(batch, exact)
        loss = loss + 0.5 * mse_loss(token[..., -2:], where) + places * mse_loss(token[..., -2:][things], where[things])
        loss = loss + 4 * binary_cross_entropy_with_logits(early, batch.covered)
        figures = batch.silhouettes.gather(1, batch.middle[..., None].expand(-1, -1, FIGURE * FIGURE))[things]
        loss = loss + 2 * binary_cross_entropy_with_logits(self.figure(tokens.view(*things.shape, -1)[things]), figures)
        return loss, tokens


def batched_attention(tower: nn.Module) -> None:
    """Let a tower attend to a batch of equal pictures in one call; the library goes picture by picture, slowly."""

    def forward(
        self: Any, hidden_states: torch.Tensor, cu_seqlens: torch.Tensor, position_embeddings: Any, **_: Any
    ) -> torch.Tensor:
        length, pictures = hidden_states.shape[0], len(cu_seqlens) - 1
        query, key, value = self.qkv(hidden_states).view(length, 3, self.num_heads, -1).unbind(1)
        query, key = apply_rotary_pos_emb_vision(query, key, *position_embeddings)
        query, key, value = (
            part.reshape(pictures, -1, self.num_heads, part.shape[-1]).transpose(1, 2) for part in (query, key, value)
        )
        seen = scaled_dot_product_attention(query, key, value, scale=self.scaling)
        return self.proj(seen.transpose(1, 2).reshape(length, -1))

    for block in tower.blocks:
        block.attn.forward = MethodType(forward, block.attn)


def classes(batch: Batch, numbers: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Turn numbers of things (N, places) into classes of shape and of colour."""
    shape, colour = (
        torch.tensor(
            [
                [
                    NOTHING,
                    *(names[getattr(thing, what)] for thing in scene.things),
                    *[NOTHING] * (4 - len(scene.things)),
                ]
                for scene in batch.scenes
            ]
        )
        for names, what in ((_SHAPE, "shape"), (_COLOUR, "colour"))
    )
    return shape.gather(1, numbers), colour.gather(1, numbers)


def _told(logits: torch.Tensor, batch: Batch, numbers: torch.Tensor, nothing: float) -> torch.Tensor:
    shape, colour = classes(batch, numbers)
    weight = torch.where(numbers > 0, 1.0, nothing)
    border = len(SHAPES) + 1
    wrong = cross_entropy(logits[..., :border].transpose(1, 2), shape, reduction="none") + cross_entropy(
        logits[..., border : border + len(COLOURS) + 1].transpose(1, 2), colour, reduction="none"
    )
    return (wrong * weight).sum() / weight.sum()


def _where(batch: Batch, exact: bool) -> torch.Tensor:
    """Return each token's place, down and right, from -1 in the first cell to 1 in the last, as (N, tokens, 2)."""
    high, wide = batch.grid
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, high), torch.linspace(-1, 1, wide), indexing="ij")
    places = torch.stack([rows, columns], dim=-1).view(1, -1, 2).repeat(len(batch.scenes), 1, 1)
    if exact:
        for scene, own, numbers in zip(batch.scenes, places, batch.middle, strict=True):
            for number, thing in enumerate(scene.things, start=1):
                down, right = thing.y / scene.height * high - 0.5, thing.x / scene.width * wide - 0.5
                own[numbers == number] = torch.tensor([2 * down / (high - 1) - 1, 2 * right / (wide - 1) - 1])
    return places
