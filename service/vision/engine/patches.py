"""A picture as the vision tower takes it."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image


@dataclass(frozen=True)
class Patches:
    """pixels (patches, values of one), fp32; grid: patches in time, height, width.

    `key` is the same for the same picture of the same principal, and for nothing else.
    """

    key: Hashable
    pixels: torch.Tensor
    grid: tuple[int, int, int]


class Patcher:
    """Cuts an RGB picture of its final size into patches, as the checkpoint's image processor does.

    A pixel has one of 256 values: what the library makes of each is asked once, and looked up ever after.
    """

    def __init__(self, processor: Any) -> None:
        self._patch, self._merge = processor.patch_size, processor.merge_size
        self._frames = processor.temporal_patch_size
        values: Any = np.arange(256, dtype=np.uint8)[None, None].repeat(3, axis=0)
        if processor.do_rescale:
            values = processor.rescale(values, processor.rescale_factor)
        if processor.do_normalize:
            values = processor.normalize(values, processor.image_mean, processor.image_std)
        self._values = np.asarray(values, dtype=np.float32)[:, 0]

    def cut(self, image: Image.Image) -> tuple[torch.Tensor, tuple[int, int, int]]:
        """Pixels and grid of `Patches`. Neighbours that are merged later stand together."""
        patch, merge = self._patch, self._merge
        high, wide = image.height // patch, image.width // patch
        seen = np.asarray(image).reshape(high // merge, merge, patch, wide // merge, merge, patch, 3)
        # Blocks down, blocks across, within a block down and across, then a patch: colour, row, column.
        placed = np.ascontiguousarray(seen.transpose(0, 3, 1, 4, 6, 2, 5)).reshape(high * wide, 3, patch * patch)
        pixels = np.empty((high * wide, 3, self._frames, patch * patch), np.float32)
        for colour in range(3):
            pixels[:, colour] = self._values[colour].take(placed[:, colour])[:, None]
        return torch.from_numpy(pixels.reshape(high * wide, -1)), (1, high, wide)
