"""From a data URL to pixels. Nothing is fetched: there is no code here that could."""

from __future__ import annotations

import binascii
import contextlib
import hashlib
import io
import re
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from PIL import Image

from service.vision.conversation import Picture
from service.vision.structure import too_complex

_FORMATS = ("JPEG", "PNG", "WEBP")
_URL = re.compile(r"data:image/(?:jpeg|jpg|png|webp);base64,")
_PIECE = 1 << 18  # Decoded piece by piece, so that other threads, the event loop's among them, get their turn.
_STRIP = 256
_LARGE = 250_000
"""Pixels; hashing takes about as long as scaling down, and of a picture this large is worth a thread of its own."""
_ASIDE = ThreadPoolExecutor(2, thread_name_prefix="digest")
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: (Image.Transpose.FLIP_LEFT_RIGHT,),
    3: (Image.Transpose.ROTATE_180,),
    4: (Image.Transpose.FLIP_TOP_BOTTOM,),
    5: (Image.Transpose.TRANSPOSE,),
    6: (Image.Transpose.ROTATE_270,),
    7: (Image.Transpose.TRANSVERSE,),
    8: (Image.Transpose.ROTATE_90,),
}
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


def decode(url: str, limits: Limits, fit: Callable[[int, int], tuple[int, int]]) -> Picture:
    """Read one picture and scale it to what `fit` says for its width and height. Raises PictureRefused."""
    image = _upright(_open(_file(url, limits.file_bytes), limits))
    aside = _ASIDE.submit(_digest, image) if image.width * image.height > _LARGE else None
    size = fit(*image.size)
    # The image processor would resample to this size in the same way; done here, the large original can go.
    fitted = image if size == image.size else image.resize(size, Image.Resampling.BICUBIC)
    return Picture(fitted, aside.result() if aside else _digest(image), image.width, image.height)


def _file(url: str, most: int) -> bytes:
    head = _URL.match(url[:64])
    if head is None:
        raise PictureRefused(
            "image_url_unsupported", "expected data:image/jpeg, png or webp;base64,...: nothing is fetched"
        )
    if (len(url) - head.end()) * 3 // 4 > most + 3:
        raise PictureRefused("image_too_large", f"expected a file of at most {most} bytes")
    step = _PIECE // 3 * 4
    try:
        pieces = [
            binascii.a2b_base64(url[at : at + step].encode("ascii"), strict_mode=True)
            for at in range(head.end(), len(url), step)
        ]
    except ValueError:  # binascii.Error and UnicodeEncodeError are both.
        raise PictureRefused(
            "image_not_base64", "expected base64 without blanks, line ends or missing padding"
        ) from None
    if any(len(piece) != _PIECE // 3 * 3 for piece in pieces[:-1]):
        raise PictureRefused("image_not_base64", "expected padding at the end only")
    file = b"".join(pieces)
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
        if image.format != "MPO" and getattr(image, "n_frames", 1) > 1:
            raise PictureRefused("image_animated", "is animated, expected a single picture")
        image.load()
    except PictureRefused:
        raise
    except Exception:  # Pillow raises whatever its decoders meet: OSError, SyntaxError, struct.error, ...
        raise PictureRefused("image_broken", "begins as a picture and cannot be decoded") from None
    return image


def _upright(image: Image.Image) -> Image.Image:
    """RGB of eight bits, turned as its EXIF says, on white where it is transparent."""
    orientation = None
    with contextlib.suppress(Exception):  # Broken EXIF turns nothing.
        orientation = image.getexif().get(_ORIENTATION)
    for turn in _UPRIGHT.get(orientation or 1, ()):
        image = image.transpose(turn)
    if image.mode in ("I;16", "I;16B", "I;16L", "I"):
        return Image.fromarray((np.asarray(image).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        whole = image if image.mode == "RGBA" else image.convert("RGBA")
        canvas = Image.new("RGB", whole.size, "white")
        canvas.paste(whole, mask=whole)
        return canvas
    return image if image.mode == "RGB" else image.convert("RGB")


def _digest(image: Image.Image) -> str:
    """SHA-256 of the pixels, row by row from the top; in strips, for a large picture is held once and not twice."""
    digest = hashlib.sha256()
    for top in range(0, image.height, _STRIP):
        digest.update(image.crop((0, top, image.width, min(top + _STRIP, image.height))).tobytes())
    return digest.hexdigest()
