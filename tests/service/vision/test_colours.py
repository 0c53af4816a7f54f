"""Colours of any kind become red, green and blue of eight bits."""

from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.service.vision.test_pictures import saved, seen


def test_sixteen_bits_are_scaled() -> None:
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(1, 256).repeat(4, axis=0)
    found = seen(saved(Image.fromarray(ramp))).pixels
    assert found.shape == (4, 256, 3)
    assert (found[0, 0, 0], found[0, 128, 1], found[0, 255, 2]) == (0, 128, 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_white(mode: str) -> None:
    clear = Image.new("RGBA", (8, 8), (255, 0, 0, 0))
    image = clear.convert("LA") if mode == "LA" else clear.convert("P") if mode == "P" else clear
    options: dict[str, Any] = {"transparency": image.getpixel((0, 0))} if mode == "P" else {}
    assert tuple(seen(saved(image, **options)).pixels[4, 4]) == (255, 255, 255)


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK"])
def test_other_colour_spaces(mode: str) -> None:
    file = saved(Image.new("RGB", (8, 8), "white").convert(mode), "JPEG" if mode == "CMYK" else "PNG")
    assert tuple(seen(file).pixels[4, 4]) == (255, 255, 255)
