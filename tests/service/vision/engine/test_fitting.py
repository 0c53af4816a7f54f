"""Sizes of pictures, against the library's own function."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers.models.glm46v.image_processing_pil_glm46v import smart_resize

from service.vision.engine.fitting import Fitting

sides = st.integers(1, 20_000)


@given(sides, sides, st.sampled_from([16, 28]), st.integers(1, 200), st.integers(0, 400))
def test_sizes_are_those_of_the_library(width: int, height: int, factor: int, least: int, more: int) -> None:
    if max(width, height) > 190 * min(width, height):
        return  # The library refuses what the service refuses before.
    smallest, largest = least * 2 * factor**2, (least + more) * 2 * factor**2
    high, wide = smart_resize(2, height, width, 2, factor, smallest, largest)
    assert Fitting(factor, 2, smallest, largest).fit(width, height, coarse=False) == (wide, high)


@pytest.mark.parametrize(("coarse", "expected"), [(False, (1400, 1400)), (True, (448, 448))])
def test_coarse_is_for_detail_low(coarse: bool, expected: tuple[int, int]) -> None:
    assert Fitting(28, 2, 25_088, 2 * 1400 * 1400).fit(3000, 3000, coarse=coarse) == expected
