"""Where tokens stand, against the library's own function."""

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.vision.engine.positions import positions
from service.vision.engine.transformers import TransformersEngine

texts_and_grids = st.lists(st.tuples(st.integers(0, 9), st.integers(1, 6), st.integers(1, 6)), max_size=4)


@pytest.fixture(scope="module")
def model(real: TransformersEngine) -> Any:
    return real._ready.worker._features._model.model


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts_and_grids, st.integers(0, 9))
def test_positions_are_those_of_the_library(model: Any, parts: list[tuple[int, int, int]], end: int) -> None:
    kinds: list[int] = []
    for text, high, wide in parts:
        kinds += [0] * (text + 1) + [1] * (high * wide)  # A picture is always behind a token of the template.
    kinds += [0] * (end + 1)
    grids = [(1, 2 * high, 2 * wide) for _, high, wide in parts]
    kind = torch.tensor(kinds)
    expected, ahead = model.get_rope_index(
        torch.zeros((1, len(kinds)), dtype=torch.long), kind[None], image_grid_thw=torch.tensor(grids or [(0, 0, 0)])
    )
    placed, offset = positions(len(kinds), kind.nonzero()[:, 0], grids, 2)
    assert placed.equal(expected[:, 0])
    assert offset == int(ahead)
