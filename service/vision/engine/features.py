"""What the vision tower makes of pictures, and the latest of it, kept."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Sequence
from typing import Any

import torch

from service.vision.engine.patches import Shades
from service.vision.engine.prompt import Prompt


class Features:
    """Reads pictures and remembers them, the least lately used ones forgotten first.

    A key says whose picture it is: how quickly one principal is answered must not tell what another has asked about.
    """

    def __init__(self, model: Any, shades: Shades, most_tokens: int, most_patches: int) -> None:
        self.read = 0
        self.known = 0
        self._model = model
        self._shades = shades
        self._most_tokens = most_tokens
        self._most_patches = most_patches
        self._kept: OrderedDict[Hashable, torch.Tensor] = OrderedDict()
        self._tokens = 0

    def of(self, prompts: Sequence[Prompt]) -> list[torch.Tensor | None]:
        """For each prompt (tokens of its pictures, hidden size), in their order; None without pictures."""
        seen = [one for prompt in prompts for one in prompt.pictures]
        found = {one.key: self._kept[one.key] for one in seen if one.key in self._kept}
        self.read += len(seen)
        self.known += sum(one.key in found for one in seen)
        new = {one.key: one for one in seen if one.key not in found}
        for group in _groups(list(new.values()), self._most_patches):
            pixels = self._shades.of(torch.cat([one.pixels for one in group]))
            made = self._model.model.visual(pixels, [one.grid for one in group])
            found.update(zip((one.key for one in group), (one.clone() for one in made), strict=True))
        for key, made in found.items():
            self._keep(key, made)
        return [
            torch.cat([found[one.key] for one in prompt.pictures]) if prompt.pictures else None for prompt in prompts
        ]

    def _keep(self, key: Hashable, made: torch.Tensor) -> None:
        if key not in self._kept:
            self._tokens += len(made)
        self._kept[key] = made
        self._kept.move_to_end(key)
        while self._tokens > self._most_tokens:
            self._tokens -= len(self._kept.popitem(last=False)[1])


def _groups(seen: list[Any], most_patches: int) -> list[list[Any]]:
    """Together what one large picture would cost: the tower works on all patches of a group at once."""
    groups: list[list[Any]] = []
    patches = 0
    for one in seen:
        if not groups or patches + len(one.pixels) > most_patches:
            groups.append([])
            patches = 0
        groups[-1].append(one)
        patches += len(one.pixels)
    return groups
