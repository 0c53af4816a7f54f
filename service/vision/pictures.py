"""From a data URL to pixels. Nothing is fetched: there is no code here that could."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pybase64
from numpy.typing import NDArray
from PIL import Image

from service.vision.attachments import DATA_URL, Attachment
from service.vision.conversation import Picture, on_its_side
from service.vision.structure import too_complex

_FORMATS = ("JPEG", "PNG", "WEBP")
_URL = re.compile(DATA_URL)
_GAP = 2.0
"""Down to so many times its final size a picture is made smaller in the quickest way; what remains is resampled well.

It is what Pillow's own thumbnails take (`reducing_gap`). Measured, of 255 a pixel on average: 0.8 for what has the
frequencies of a photograph, 1.2 for what is all edges, 0.4 and 0.6 with 3.0, which takes twice as long.
"""
_HANDED_OVER = 4
"""Times as many pixels as the model sees, at most. The engine would scale larger pictures more quickly too, but each
request that waits to be handed over may hold eight: of 16 MB then, where a photograph of 12 megapixels has 36.
"""
_AT_ONCE = 1 << 18
"""Pixels."""
_ORIENTATION = 0x0112
_LAST_ORIENTATION = 8
warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # The limits below are stricter.


class PictureRefused(Exception):
    """What is wrong with a picture, in our words: a library's would tell addresses and paths."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Limits:
    """Of one picture: bytes as a file, pixels before it is scaled down, longer side as a multiple of the shorter."""

    file_bytes: int
    pixels: int
    stretch: int


def decode(
    url: str, limits: Limits, fit: Callable[[int, int], tuple[int, int]], hashed: Callable[[str], None]
) -> Picture:
    """Read one picture, which the model sees at the size that `fit` says for its width and height.

    One with more than `_HANDED_OVER` times as many pixels is scaled to it, any other comes as it is. `hashed` is told
    the SHA-256 of the file before anything is made of it. Raises PictureRefused.
    """
    file = _file(url, limits.file_bytes)
    sha256 = hashlib.sha256(file).hexdigest()
    hashed(sha256)
    image = _open(file, limits)
    in_jpeg = image.format in ("JPEG", "MPO")
    if not in_jpeg:  # Behind its pixels a PNG may still say how it is turned.
        _load(image)
    orientation = _orientation(image)
    lies = on_its_side(orientation)
    width, height = image.size[::-1] if lies else image.size
    fitted = fit(width, height)
    wanted = fitted[::-1] if lies else fitted
    smaller = _load(image, max(fitted)) if in_jpeg else None
    image = _in_rgb(image)
    if smaller or image.width * image.height > _HANDED_OVER * wanted[0] * wanted[1]:
        image = image.resize(wanted, Image.Resampling.BICUBIC, smaller, _GAP)
    return Picture(_pixels(image), orientation, fitted, sha256, width, height)


def _file(url: str, most: int) -> bytes:
    head = _URL.match(url[:64])
    if head is None:
        raise PictureRefused(
            "image_url_unsupported", "expected data:image/jpeg, png or webp;base64,...: nothing is fetched"
        )
    content = url.content if isinstance(url, Attachment) else url[head.end() :]
    if len(content) * 3 // 4 > most + 3:
        raise PictureRefused("image_too_large", f"expected a file of at most {most} bytes")
    try:
        file: bytes = pybase64.b64decode(content, validate=True)
    except ValueError:  # binascii.Error is one.
        raise PictureRefused(
            "image_not_base64", "expected base64 without blanks, line ends or missing padding"
        ) from None
    if len(file) > most:
        raise PictureRefused("image_too_large", f"expected a file of at most {most} bytes, got {len(file)}")
    return file


def _open(file: bytes, limits: Limits) -> Image.Image:
    """The header first: size and kind are judged before any pixel is decoded."""
    if too_complex(file):
        raise PictureRefused("image_too_complex", "is made of more parts than a picture needs")
    try:
        image = Image.open(io.BytesIO(file), formats=_FORMATS)
    except Image.DecompressionBombError:
        raise PictureRefused("image_too_many_pixels", f"expected at most {limits.pixels} pixels") from None
    except Exception:
        raise PictureRefused("image_unreadable", "is no JPEG, PNG or WEBP") from None
    width, height = image.size
    if width * height > limits.pixels:
        raise PictureRefused(
            "image_too_many_pixels", f"expected at most {limits.pixels} pixels, got {width} x {height}"
        )
    if min(width, height) < 1 or max(width, height) > limits.stretch * min(width, height):
        raise PictureRefused(
            "image_too_stretched", f"expected sides of at most {limits.stretch}:1, got {width}:{height}"
        )
    try:
        # A phone's JPEG may bring more pictures of the same scene (MPO); its first is the photograph.
        animated = image.format != "MPO" and getattr(image, "n_frames", 1) > 1
    except Exception:
        raise _broken() from None
    if animated:
        raise PictureRefused("image_animated", "is animated, expected a single picture")
    return image


def _load(image: Image.Image, longest: int | None = None) -> tuple[float, float, float, float] | None:
    """Decode; a JPEG, of which `longest` is wanted, at a half, a quarter or an eighth where that is still plenty.

    Returns where one made smaller then is: its sides need not be multiples of eight, and what is beyond is padding.
    """
    size = image.size
    try:
        drafted = image.draft(None, (math.ceil(longest * _GAP),) * 2) if longest else None
        image.load()
        return drafted[1] if drafted and image.size != size else None
    except Exception:  # Pillow raises whatever its decoders meet: OSError, SyntaxError, struct.error, ...
        raise _broken() from None


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    """Some rows at a time: all of a photograph at once would hold Python's lock for tens of milliseconds."""
    wide, high = image.size
    rows = max(1, _AT_ONCE // wide)
    pixels = np.empty((high, wide, 3), np.uint8)
    for top in range(0, high, rows):
        pixels[top : top + rows] = np.asarray(image.crop((0, top, wide, min(top + rows, high))))
    return pixels


def _broken() -> PictureRefused:
    return PictureRefused("image_broken", "begins as a picture and cannot be decoded")


def _orientation(image: Image.Image) -> int:
    """As EXIF says; broken EXIF turns nothing."""
    with contextlib.suppress(Exception):
        found = image.getexif().get(_ORIENTATION)
        return found if isinstance(found, int) and 1 <= found <= _LAST_ORIENTATION else 1
    return 1


def _in_rgb(image: Image.Image) -> Image.Image:
    """Of eight bits, on white where it is transparent."""
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        whole = image if image.mode == "RGBA" else image.convert("RGBA")
        canvas = Image.new("RGB", whole.size, "white")
        canvas.paste(whole, mask=whole)
        return canvas
    return image if image.mode == "RGB" else image.convert("RGB")
