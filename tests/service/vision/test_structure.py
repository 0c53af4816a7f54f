"""Files of more parts than a picture needs: what they cost a library, and that they are refused before they do."""

import io
import struct
import time
import zlib

import pytest
from PIL import Image

from service.vision.pictures import Limits, PictureRefused, decode
from service.vision.structure import too_complex
from tests.service.vision.running import data_url, picture
from tests.service.vision.test_pictures import saved, unheard

LIMITS = Limits(file_bytes=10_000_000, pixels=25_000_000, stretch=200)


def refusal(file: bytes) -> str:
    with pytest.raises(PictureRefused) as refused:
        decode(data_url(file), LIMITS, lambda *_: (28, 28), unheard)
    return refused.value.code


def segment(marker: int, content: bytes) -> bytes:
    return struct.pack(">BBH", 0xFF, marker, 2 + len(content)) + content


def deep(side: int, scans: int) -> bytes:
    """A grey progressive JPEG that is gone over once for its brightness, and then again and again for nothing."""
    blocks = ((side + 7) // 8) ** 2
    tables = segment(0xC4, bytes([0x00, 1, *[0] * 15, 0x00])) + segment(0xC4, bytes([0x10, 1, *[0] * 15, 0xE0]))
    frame = segment(0xDB, bytes([0, *[1] * 64])) + segment(0xC2, struct.pack(">BHHBBBB", 8, side, side, 1, 1, 0x11, 0))
    first = segment(0xDA, bytes([1, 1, 0, 0, 0, 0])) + bytes(blocks // 8 + 1)
    runs = "0" + "1" * 14  # Nothing in the next 32,767 blocks.
    bits = runs * -(-blocks // 32767)
    nothing = int(bits + "1" * (-len(bits) % 8), 2).to_bytes(-(-len(bits) // 8), "big").replace(b"\xff", b"\xff\x00")
    again = segment(0xDA, bytes([1, 1, 0, 1, 63, 0])) + nothing
    return b"\xff\xd8" + frame + tables + first + again * scans + b"\xff\xd9"


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def within(file: bytes, extra: bytes) -> bytes:
    """A PNG with chunks after its first."""
    return file[:33] + extra + file[33:]


def test_a_deep_jpeg_is_refused_at_once() -> None:
    """The control shows what it would have cost: the time grows with the scans, and it has a fiftieth of them."""
    began = time.process_time()
    Image.open(io.BytesIO(deep(5000, 80))).load()
    cost = time.process_time() - began
    assert decode(data_url(deep(5000, 80)), LIMITS, lambda *_: (28, 28), unheard).width == 5000
    began = time.process_time()
    assert refusal(deep(5000, 4000)) == "image_too_complex"
    assert time.process_time() - began < cost * 5


@pytest.mark.parametrize(
    "file",
    [
        within(picture(), chunk(b"tEXt", b"a\0b") * 501),
        within(picture(), chunk(b"abCd", b"") * 600_000),
        within(picture(), chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1_000_000), 9)) * 501),
        picture()[:-12] + chunk(b"tEXt", b"a\0b") * 501 + picture()[-12:],
        picture(kind="JPEG")[:2] + segment(0xFE, b"") * 501 + picture(kind="JPEG")[2:],
        picture(kind="JPEG")[:2] + segment(0xFE, b"") * 2_000_000 + picture(kind="JPEG")[2:],
    ],
)
def test_too_many_parts(file: bytes) -> None:
    began = time.process_time()
    assert refusal(file) == "image_too_complex"
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    "file",
    [
        *(picture(kind=kind) for kind in ("PNG", "JPEG", "WEBP")),
        picture(size=(900, 700), kind="JPEG", progressive=True, optimize=True),
        picture(size=(900, 700), kind="JPEG", restart_marker_blocks=1),
        picture(kind="JPEG", exif=b"Exif\0\0" + b"\xff\xda" * 30_000),
        picture(kind="JPEG") + b"\xff\xda" * 1000,
        saved(Image.effect_noise((900, 900), 90), "JPEG", quality=95),
        saved(Image.effect_noise((3000, 3000), 90)),
        within(picture(), chunk(b"tEXt", b"a\0b") * 400),
        b"",
        b"\xff\xd8",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
        b"\x89PNG\r\n\x1a\n\xff\xff\xff\xffIHDR",
    ],
)
def test_what_any_camera_or_program_writes_is_not(file: bytes) -> None:
    assert not too_complex(file)
