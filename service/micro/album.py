"""Batches of painted scenes, cut into patches as the image processor cuts them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image, ImageDraw
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from service.micro.config import CELL, FRAMES, MERGE, PATCH, grid
from service.micro.draw import ALIKE, MOST_THINGS, REACH, Scene, imagine, outline, paint

FINE = 4  # Points a side of a patch that are told inside from outside.
FIGURE = 8  # Side of a silhouette.


@dataclass(frozen=True)
class Batch:
    """N pictures, all of one grid (tokens high and wide; H patches high, W wide).

    pixels: float32 (N * H * W, 3 * FRAMES * PATCH * PATCH), in the image processor's order of patches.
    inside: int64 (N, H * W), in the same order: which thing covers a patch's middle, from 1; 0 is none.
    middle: int64 (N, tokens): which thing has its centre in a token's cell, from 1; 0 is none.
    covered: float32 (N, H * W, FINE * FINE): 1 where a point of a patch is inside a thing, else 0.
    silhouettes: float32 (N, 1 + MOST_THINGS, FIGURE * FIGURE): each thing alone, scaled to fill the square; 0 is empty.
    """

    scenes: list[Scene]
    grid: tuple[int, int]
    pixels: torch.Tensor
    inside: torch.Tensor
    middle: torch.Tensor
    covered: torch.Tensor
    silhouettes: torch.Tensor

    @property
    def grid_thw(self) -> torch.Tensor:
        """Patches in time, height and width, int64 (N, 3)."""
        high, wide = self.grid
        return torch.tensor([[1, high * MERGE, wide * MERGE]] * len(self.scenes))


def canvas(rng: np.random.Generator, smallest: int, largest: int) -> tuple[int, int]:
    """Draw a canvas: half of them square, else up to 5:3 or 3:5; its area is that of a square of those sides."""
    side = rng.uniform(smallest, largest)
    aspect = 1.0 if rng.random() < 0.5 else math.exp(rng.uniform(-0.51, 0.51))
    return round(side * math.sqrt(aspect)), round(side / math.sqrt(aspect))


def batch(rng: np.random.Generator, size: int, alike: float = ALIKE) -> Batch:
    """Paint `size` scenes on canvases of one aspect."""
    width, height = canvas(rng, 224, 224)
    tokens = grid(width, height)
    scales = rng.uniform(0.5, 1.15, size)
    scenes = [imagine(rng, round(width * scale), round(height * scale), alike=alike) for scale in scales]
    masks = [_mask(scene) for scene in scenes]
    return Batch(
        scenes=scenes,
        grid=tokens,
        pixels=patches([paint(scene) for scene in scenes], tokens),
        inside=torch.stack([_inside(mask, tokens, 1)[:, 0] for mask in masks]),
        middle=torch.stack([_middle(scene, tokens) for scene in scenes]),
        covered=torch.stack([_inside(mask, tokens, FINE) for mask in masks]).gt(0).float(),
        silhouettes=torch.stack([_silhouettes(scene, mask) for scene, mask in zip(scenes, masks, strict=True)]),
    )


def patches(pictures: list[Image.Image], tokens: tuple[int, int]) -> torch.Tensor:
    """Do to a batch of one grid what `Glm46VImageProcessorPil` does to pictures one by one; a test keeps them equal."""
    high, wide = tokens
    size = (wide * CELL, high * CELL)
    stack = np.stack([np.asarray(picture.resize(size, Image.Resampling.BICUBIC)) for picture in pictures])
    cells = torch.from_numpy(stack).view(-1, high, MERGE, PATCH, wide, MERGE, PATCH, 3)
    scaled = (cells / 255 - torch.tensor(OPENAI_CLIP_MEAN)) / torch.tensor(OPENAI_CLIP_STD)
    ordered = scaled.permute(0, 1, 4, 2, 5, 7, 3, 6).unsqueeze(6)
    return ordered.expand(-1, -1, -1, -1, -1, -1, FRAMES, -1, -1).reshape(-1, 3 * FRAMES * PATCH * PATCH)


def _mask(scene: Scene) -> Image.Image:
    mask = Image.new("L", (scene.width, scene.height))
    for number, thing in enumerate(scene.things, start=1):
        outline(ImageDraw.Draw(mask), thing, number)
    return mask


def _inside(mask: Image.Image, tokens: tuple[int, int], points: int) -> torch.Tensor:
    high, wide = tokens
    size = (wide * MERGE * points, high * MERGE * points)
    numbers = torch.from_numpy(np.asarray(mask.resize(size, Image.Resampling.NEAREST)).astype(np.int64))
    cells = numbers.view(high, MERGE, points, wide, MERGE, points).permute(0, 3, 1, 4, 2, 5)
    return cells.reshape(-1, points * points)


def _silhouettes(scene: Scene, mask: Image.Image) -> torch.Tensor:
    figures = torch.zeros(1 + MOST_THINGS, FIGURE * FIGURE)
    for number, thing in enumerate(scene.things, start=1):
        reach = thing.radius * REACH
        box = (thing.x - reach, thing.y - reach, thing.x + reach, thing.y + reach)
        figure = mask.transform((FIGURE, FIGURE), Image.Transform.EXTENT, box, Image.Resampling.NEAREST)
        figures[number] = torch.from_numpy(np.asarray(figure) == number).float().view(-1)
    return figures


def _middle(scene: Scene, tokens: tuple[int, int]) -> torch.Tensor:
    high, wide = tokens
    cells = torch.zeros(high, wide, dtype=torch.int64)
    for number, thing in enumerate(scene.things, start=1):
        cells[int(thing.y / scene.height * high), int(thing.x / scene.width * wide)] = number
    return cells.view(-1)
