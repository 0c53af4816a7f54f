"""What a picture's file carries besides its picture, and what it takes to find out."""

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.service.vision.running import data_url, picture
from tests.service.vision.test_pictures import HALF, png, refusal, saved, seen

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_colour_profile_that_is_none_changes_nothing(kind: str) -> None:
    file = saved(HALF, kind, icc_profile=b"\xff\xda junk" * 9000, **({"lossless": True} if kind == "WEBP" else {}))
    plain = seen(saved(HALF, kind, **({"lossless": True} if kind == "WEBP" else {})))
    assert seen(file).pixels.tobytes() == plain.pixels.tobytes()


def test_a_text_of_100_000_characters_in_a_picture_changes_nothing() -> None:
    text = PngInfo()
    text.add_text("Comment", "x" * 100_000)
    text.add_text("Packed", "y" * 100_000, zip=True)
    assert seen(saved(HALF, "PNG", pnginfo=text)).pixels.tobytes() == seen(saved(HALF)).pixels.tobytes()


def test_a_text_that_inflates_is_refused() -> None:
    text = PngInfo()
    text.add_text("Packed", "y" * 20_000_000, zip=True)
    file = saved(HALF, "PNG", pnginfo=text)
    assert len(file) < 30_000
    assert refusal(data_url(file)) == "image_unreadable"


PEAK = r"""
import re, sys
from pathlib import Path
from service.vision.pictures import Limits, PictureRefused, decode
def peak():  # Of this program alone; getrusage would begin with its parent's.
    return int(re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())[1])
url = sys.stdin.read()
fit = lambda *_: (1148, 1148)
decode(sys.argv[1], Limits(200_000, 1_000_000, 200), lambda *_: (28, 28), len)
before = peak()
try:
    print(decode(url, Limits(200_000, int(sys.argv[2]), 200), fit, len).width)
except PictureRefused as refused:
    print(refused.code)
print(peak() - before)
"""


def grown(file: bytes, pixels: int) -> tuple[str, float]:
    """What became of it, and the MiB that a process of its own grew by at most."""
    command = [sys.executable, "-c", PEAK, data_url(picture()), str(pixels)]
    done = subprocess.run(command, cwd=ROOT, input=data_url(file), capture_output=True, text=True, check=True)
    became, kib = done.stdout.split()
    return became, int(kib) / 1024


def test_a_bomb_takes_no_memory() -> None:
    """9.9 kB that decode to 77 MiB; the control lets them, and sees them."""
    bomb = png(9000, 9000, b"\x00" * (9000 * 1126))
    assert len(bomb) < 12_000
    became, growth = grown(bomb, 25_000_000)
    assert (became, growth < 5) == ("image_too_many_pixels", True), growth
    became, growth = grown(bomb, 100_000_000)
    assert (became, growth > 70) == ("9000", True), growth


def test_a_picture_with_transparency_takes_no_more_than_12_bytes_a_pixel() -> None:
    became, growth = grown(saved(Image.new("RGBA", (5000, 5000), (9, 9, 9, 99))), 25_000_000)
    assert (became, growth < 12 * 25_000_000 / (1 << 20)) == ("5000", True), growth
