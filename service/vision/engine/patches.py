"""A picture as the vision tower takes it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

_AT_ONCE = 512
"""Patches: what lies between their pixels and their values stays in a processor's cache: a third of the time."""


@dataclass(frozen=True)
class Patches:
    """pixels: uint8 (patches, 3, pixels of one); what the tower takes of them is four or eight times as large.

    grid: patches in time, height, width. `key` is the same for the same picture of the same principal, and for nothing
    else.
    """

    key: Hashable
    pixels: torch.Tensor
    grid: tuple[int, int, int]


class Patcher:
    """Cuts RGB pixels of their final size into patches, as the checkpoint's image processor does."""

    def __init__(self, processor: Any) -> None:
        self._patch, self._merge = processor.patch_size, processor.merge_size

    def cut(self, pixels: NDArray[np.uint8]) -> tuple[torch.Tensor, tuple[int, int, int]]:
        """Pixels and grid of `Patches`. Neighbours that are merged later stand together."""
        patch, merge = self._patch, self._merge
        high, wide = pixels.shape[0] // patch, pixels.shape[1] // patch
        seen = pixels.reshape(high // merge, merge, patch, wide // merge, merge, patch, 3)
        # Blocks down, blocks across, within a block down and across, then a patch: colour, row, column.
        placed = np.ascontiguousarray(seen.transpose(0, 3, 1, 4, 6, 2, 5)).reshape(high * wide, 3, patch * patch)
        return torch.from_numpy(placed), (1, high, wide)


class Shades:
    """What the checkpoint's image processor makes of each of the 256 values of a colour: asked once, and looked up."""

    def __init__(self, processor: Any) -> None:
        values: Any = np.arange(256, dtype=np.uint8)[None, None].repeat(3, axis=0)
        if processor.do_rescale:
            values = processor.rescale(values, processor.rescale_factor)
        if processor.do_normalize:
            values = processor.normalize(values, processor.image_mean, processor.image_std)
        self._values = torch.from_numpy(np.asarray(values, dtype=np.float32)).flatten()
        self._colours = torch.arange(0, 3 * 256, 256, dtype=torch.int32)[:, None]
        self._frames = processor.temporal_patch_size

    def to(self, device: torch.device, dtype: torch.dtype) -> None:
        """Be looked up on this device from now on, and come as this type."""
        self._values, self._colours = self._values.to(device, dtype), self._colours.to(device)

    def of(self, pixels: torch.Tensor) -> torch.Tensor:
        """What the tower takes (patches, values of one) of the pixels of `Patches`: a picture is a film that stands."""
        made = self._values.new_empty(len(pixels), 3, self._frames, pixels.shape[2])
        here = pixels.to(self._colours.device)
        for part, of in zip(made.split(_AT_ONCE), here.split(_AT_ONCE), strict=True):
            places = of.int() + self._colours
            part.copy_(self._values.index_select(0, places.flatten()).view(len(of), 3, 1, -1))
        return made.flatten(1)
