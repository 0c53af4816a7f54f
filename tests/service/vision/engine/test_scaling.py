"""Scaling: what Pillow would make of the whole picture, whatever part of it was decoded, and upright."""

import io
import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from service.vision.conversation import Picture
from service.vision.engine.scaling import scaled
from service.vision.pictures import Limits, decode
from tests.service.vision.running import data_url

sides = st.integers(1, 90)


def photograph(width: int, height: int) -> Image.Image:
    shapes = np.random.default_rng(width + height).integers(0, 255, (max(1, height // 16), max(1, width // 16), 3))
    return Image.fromarray(shapes.astype(np.uint8)).resize((width, height), Image.Resampling.BICUBIC)


@given(sides, sides, sides, sides)
def test_it_is_pillow_s(width: int, height: int, wide: int, high: int) -> None:
    noise = np.random.default_rng(width * height).integers(0, 255, (height, width, 3), np.uint8)
    expected = np.asarray(Image.fromarray(noise).resize((wide, high), Image.Resampling.BICUBIC), np.int16)
    found = scaled(Picture.upright(noise, (wide, high), ""))
    wrong = np.abs(found.astype(np.int16) - expected)
    assert wrong.mean() < 1, "of 255; a shift by a quarter of a pixel is 5"
    assert wrong.max() < 40


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
@pytest.mark.parametrize("size", [(56, 56), (140, 84), (420, 392)])
def test_all_of_a_turned_picture_is_seen_where_it_is(kind: str, size: tuple[int, int]) -> None:
    """Sides that no power of two divides, in all ways that a camera can be held."""
    for (width, height), orientation in itertools.product([(403, 357), (333, 17), (61, 90), (1, 1)], range(1, 9)):
        file, exif = io.BytesIO(), Image.Exif()
        exif[0x0112] = orientation
        photograph(width, height).save(file, kind, exif=exif)
        with Image.open(file) as whole:
            upright = ImageOps.exif_transpose(whole).convert("RGB").resize(size, Image.Resampling.BICUBIC)
        url, expected = data_url(file.getvalue(), kind.lower()), np.asarray(upright, np.int16)
        found = scaled(decode(url, Limits(1 << 24, 1 << 20, 100), lambda *_: size, lambda _: None))
        assert found.shape == expected.shape
        assert np.abs(found.astype(np.int16) - expected).mean() < 1, (width, height, orientation)
