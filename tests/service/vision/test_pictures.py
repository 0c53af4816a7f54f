"""Hostile pictures, and pictures as phones and drawing programs make them."""

import base64
import contextlib
import hashlib
import io
import struct
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from service.vision.conversation import Picture
from service.vision.engine.scaling import scaled
from service.vision.pictures import Limits, PictureRefused, _file, decode
from tests.service.vision.running import data_url, picture

LIMITS = Limits(file_bytes=200_000, pixels=1_000_000, stretch=200)


def as_it_is(width: int, height: int) -> tuple[int, int]:
    return width, height


def unheard(_: str) -> None:
    """Of digests."""


def seen(file: bytes, kind: str = "png", fit: Callable[[int, int], tuple[int, int]] = as_it_is) -> Picture:
    return decode(data_url(file, kind), LIMITS, fit, unheard)


def refusal(url: str) -> str:
    with pytest.raises(PictureRefused) as refused:
        decode(url, LIMITS, as_it_is, unheard)
    assert "0x" not in str(refused.value)
    assert "PIL" not in str(refused.value)
    return refused.value.code


def saved(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def png(width: int, height: int, rows: bytes, depth: int = 1, colour: int = 0) -> bytes:
    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def webp_of(width: int, height: int) -> bytes:
    """Only a header that promises a huge canvas."""
    size = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    head = b"VP8X" + struct.pack("<I", 10) + b"\x00\x00\x00\x00" + size
    return b"RIFF" + struct.pack("<I", 4 + len(head)) + b"WEBP" + head


HALF = Image.new("RGB", (4, 2), "red")
HALF.paste("blue", (2, 0, 4, 2))
ANIMATION = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "green")]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_the_three_kinds(kind: str) -> None:
    found = seen(picture(size=(30, 20), kind=kind))
    assert (found.width, found.height, found.pixels.shape) == (30, 20, (20, 30, 3))
    red, green, blue = found.pixels[10, 10]
    assert red > 240
    assert max(green, blue) < 15


def test_the_digest_is_that_of_the_file() -> None:
    """What `sha256sum` says of it: pixels depend on who decodes them."""
    noise = np.random.default_rng(1).integers(0, 255, (700, 30, 3), np.uint8)
    found = seen(file := saved(Image.fromarray(noise)), fit=lambda *_: (3, 70))
    assert found.sha256 == hashlib.sha256(file).hexdigest()
    assert (scaled(found).shape, found.width, found.height) == ((70, 3, 3), 30, 700)


@pytest.mark.parametrize("size", [(112, 112), (336, 224), (448, 420)])
def test_a_large_photograph_is_seen_as_if_all_of_it_were_decoded(size: tuple[int, int]) -> None:
    shapes = np.random.default_rng(4).integers(0, 255, (40, 60, 3), np.uint8)
    photograph = Image.fromarray(shapes).resize((900, 600), Image.Resampling.NEAREST).resize((1000, 950))
    file = saved(photograph, "JPEG", quality=90)
    found = decode(data_url(file, "jpeg"), Limits(500_000, 1_000_000, 200), lambda *_: size, unheard)
    with Image.open(io.BytesIO(file)) as whole:
        expected = np.asarray(whole.resize(size, Image.Resampling.BICUBIC), np.int16)
    wrong = np.abs(scaled(found).astype(np.int16) - expected)
    assert wrong.mean() < 1.5, "of 255; a shift by a quarter of a pixel is 4"
    assert (found.width, found.height) == (1000, 950)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("side", [20, 55, 56, 57, 113, 301])
def test_no_picture_is_handed_over_with_many_more_pixels_than_are_seen(kind: str, side: int) -> None:
    """In memory that nothing else bounds."""
    for size in ((side, side), (side, 2 * side)):
        wanted = (28, 28 * size[1] // size[0])
        found = seen(picture(size=size, kind=kind), fit=lambda *_: wanted)  # noqa: B023
        high, wide, _ = found.pixels.shape
        assert (wide, high) == (size if size[0] <= 2 * wanted[0] else wanted)


def test_what_the_name_says_does_not_matter_but_what_it_is() -> None:
    assert seen(picture(kind="JPEG"), "png").width == 30


@pytest.mark.parametrize(
    ("file", "code"),
    [
        (png(9000, 9000, b"\x00" * (9000 * 1126)), "image_too_many_pixels"),
        (png(2**31 - 1, 2**31 - 1, b""), "image_too_many_pixels"),
        (webp_of(16_383, 16_383), "image_too_many_pixels"),
        (saved(ANIMATION[0], save_all=True, append_images=ANIMATION[1:]), "image_animated"),
        (saved(ANIMATION[0], "WEBP", save_all=True, append_images=ANIMATION[1:]), "image_animated"),
        (saved(Image.new("RGB", (300, 1))), "image_too_stretched"),
        (saved(Image.new("RGB", (1, 201))), "image_too_stretched"),
        (png(0, 5, b""), "image_unreadable"),
        (picture(size=(99, 99))[:-60], "image_broken"),
        (picture(kind="JPEG", size=(99, 99))[:700], "image_broken"),
        (png(40, 40, b"\x00" * 3), "image_broken"),
        (saved(Image.new("RGB", (9, 9)), "TIFF"), "image_unreadable"),
        (saved(Image.new("RGB", (9, 9)), "GIF"), "image_unreadable"),
        (saved(Image.new("RGB", (9, 9)), "BMP"), "image_unreadable"),
        (saved(Image.new("RGB", (9, 9)), "PPM"), "image_unreadable"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><image href='http://192.0.2.1/x'/></svg>", "image_unreadable"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic", "image_unreadable"),
        (b"%PDF-1.7", "image_unreadable"),
        (b"GIF89a" + picture(), "image_unreadable"),
        (b"<!DOCTYPE html><img src=x onerror=alert(1)>", "image_unreadable"),
        (b"PK\x03\x04" + picture(kind="JPEG"), "image_unreadable"),
        (b"\n" + picture(), "image_unreadable"),
        (b"RIFF\x24\x00\x00\x00WAVEfmt ", "image_unreadable"),
        (png(5, 0, b""), "image_unreadable"),
        (png(40, 40, b"\x00" * 3, depth=3), "image_unreadable"),
        (picture()[:33] + picture()[33 + 12 :], "image_unreadable"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "image_unreadable"),
        (b"", "image_unreadable"),
    ],
)
def test_refused_by_name(file: bytes, code: str) -> None:
    assert refusal(data_url(file)) == code


def test_a_bomb_is_refused_by_its_header_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def load(_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    assert refusal(data_url(png(9000, 9000, b"\x00" * (9000 * 1126)))) == "image_too_many_pixels"
    assert refusal(data_url(saved(ANIMATION[0], save_all=True, append_images=ANIMATION[1:]))) == "image_animated"


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://192.0.2.1/a.png", "image_url_unsupported"),
        ("file:///etc/passwd", "image_url_unsupported"),
        ("", "image_url_unsupported"),
        ("data:image/svg+xml;base64,AAAA", "image_url_unsupported"),
        ("data:image/gif;base64,AAAA", "image_url_unsupported"),
        ("data:image/png,AAAA", "image_url_unsupported"),
        ("data:image/png;base64,AA\nAA", "image_not_base64"),
        ("data:image/png;base64,AAAA AAAA", "image_not_base64"),
        ("data:image/png;base64,AAA", "image_not_base64"),
        ("data:image/png;base64,AA==AAAA", "image_not_base64"),
        ("data:image/png;base64,AA-_", "image_not_base64"),
        ("data:image/png;base64,é", "image_not_base64"),
        ("data:image/png;base64," + "A" * 300_000, "image_too_large"),
    ],
)
def test_urls_that_are_no_picture(url: str, code: str) -> None:
    assert refusal(url) == code


@given(st.binary(max_size=300), st.integers(0, 400), st.sampled_from(["=", "==", "\n", " ", "-", "_", "\x00", "é"]))
def test_base64_is_one_text_for_one_file(content: bytes, at: int, foreign: str) -> None:
    text = base64.b64encode(content).decode()
    assert _file("data:image/png;base64," + text, 300) == content
    with pytest.raises(PictureRefused) as refused:
        _file("data:image/png;base64," + text[:at] + foreign + text[at:], 310)
    assert refused.value.code == "image_not_base64"


@pytest.mark.parametrize("orientation", range(10))
def test_turned_as_exif_says(orientation: int) -> None:
    marked = Image.new("RGB", (64, 32), "white")
    marked.paste("red", (0, 0, 24, 12))
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = seen(saved(marked, "PNG", exif=exif))
    upright = {2: 0, 3: 180, 4: 0, 5: 90, 6: 90, 7: 90, 8: 90}.get(orientation, 0) in (0, 180)
    shown = scaled(found)
    assert shown.shape == ((32, 64, 3) if upright else (64, 32, 3))
    corners = {1: (2, 2), 2: (61, 2), 3: (61, 29), 4: (2, 29), 5: (2, 2), 6: (29, 2), 7: (29, 61), 8: (2, 61)}
    x, y = corners.get(orientation, (2, 2))
    assert tuple(shown[y, x]) == (255, 0, 0)


def test_broken_exif_turns_nothing() -> None:
    assert seen(saved(HALF, "JPEG", exif=b"Exif\x00\x00broken"), "jpeg").pixels.shape == (2, 4, 3)


def test_a_phone_s_photograph_with_more_pictures_in_it_is_no_animation() -> None:
    file = saved(ANIMATION[0], "MPO", save_all=True, append_images=ANIMATION[1:])
    assert tuple(seen(file, "jpeg").pixels[4, 4]) == (254, 0, 0)


def test_how_far_a_picture_may_be_stretched_is_a_limit_of_ours() -> None:
    narrow = Limits(file_bytes=200_000, pixels=1_000_000, stretch=3)
    assert decode(data_url(picture(size=(3, 1))), narrow, as_it_is, unheard).width == 3
    with pytest.raises(PictureRefused, match="expected sides of at most 3:1, got 4:1"):
        decode(data_url(picture(size=(4, 1))), narrow, as_it_is, unheard)


def test_the_smallest() -> None:
    for kind in ("JPEG", "PNG", "WEBP"):
        assert seen(picture(size=(1, 1), kind=kind)).pixels.shape == (1, 1, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_too(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = seen(saved(Image.new("RGB", (64, 32), "red"), "JPEG", exif=exif), "jpeg")
    assert scaled(found).shape == ((32, 64, 3) if orientation < 5 else (64, 32, 3))


def test_a_progressive_photograph() -> None:
    assert seen(saved(HALF, "JPEG", progressive=True), "jpeg").pixels.shape == (2, 4, 3)


def test_a_picture_with_a_script_behind_it_is_only_its_pixels() -> None:
    plain = seen(picture())
    assert seen(picture() + b"<script>alert(1)</script>PK\x03\x04").pixels.tobytes() == plain.pixels.tobytes()


@given(st.data())
def test_no_changed_byte_brings_anything_but_a_picture_or_a_refusal(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(("PNG", "JPEG", "WEBP")))
    file = bytearray(picture(size=(40, 30), kind=kind))
    for _ in range(data.draw(st.integers(1, 6))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(PictureRefused):
        assert seen(bytes(file)).pixels.shape[2] == 3
