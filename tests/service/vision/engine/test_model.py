"""The model as it is loaded computes what the library's own does."""

from pathlib import Path

import pytest
import torch
from transformers import Glm4vForConditionalGeneration, Glm46VForConditionalGeneration

from service.vision.engine.checkpoint import inspect
from service.vision.engine.model import load
from service.vision.engine.tower import KEPT_SHAPES
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
        tower = load(inspect(path), "cpu", "fp32").model.visual
        first, again = tower(pixels, grids), tower(pixels, grids)
    for one, other, known in zip(wanted.pooler_output, first, again, strict=True):
        assert torch.allclose(one, other, atol=1e-3, rtol=1e-4)
        assert torch.equal(other, known)


def test_no_more_shapes_are_remembered_than_the_memory_was_weighed_for(tmp_path: Path) -> None:
    tower = load(inspect(tiny.write(tmp_path, "Glm46V")), "cpu", "fp32").model.visual
    with torch.inference_mode():
        for wide in range(2, 2 * KEPT_SHAPES + 6, 2):
            tower(torch.randn(2 * wide, 3 * 2 * tiny.PATCH**2), [(1, 2, wide)])
    assert len(tower._kept) == KEPT_SHAPES
    assert (1, 2, 2) not in tower._kept
