"""The model as it is loaded computes what the library's own does."""

from pathlib import Path

import pytest
import torch
from transformers import Glm4vForConditionalGeneration, Glm46VForConditionalGeneration

from service.vision.engine.checkpoint import inspect
from service.vision.engine.model import load
from tests.service.vision import tiny


@pytest.mark.parametrize("kind", ["Glm46V", "Glm4v"])
@pytest.mark.parametrize("grids", [[(1, 4, 6)], [(1, 4, 6), (1, 4, 6)], [(1, 4, 6), (1, 8, 2), (1, 2, 2)]])
def test_the_vision_tower(tmp_path: Path, kind: str, grids: list[tuple[int, int, int]]) -> None:
    path = tiny.write(tmp_path, kind)
    library = {"Glm46V": Glm46VForConditionalGeneration, "Glm4v": Glm4vForConditionalGeneration}[kind]
    grid = torch.tensor(grids)
    pixels = torch.randn(int(grid.prod(1).sum()), 3 * 2 * tiny.PATCH**2)
    with torch.inference_mode():
        wanted = library.from_pretrained(path).eval().model.get_image_features(pixels, grid, return_dict=True)
        got = load(inspect(path), "cpu", "fp32").model.get_image_features(pixels, grid, return_dict=True)
    for one, other in zip(wanted.pooler_output, got.pooler_output, strict=True):
        assert torch.allclose(one, other, atol=1e-3, rtol=1e-4)
