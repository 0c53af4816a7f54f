"""What a picture is, its bytes say and not its name."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.errors import SettingsError
from deploy.picture import data_url, kind

PNG = b"\x89PNG\r\n\x1a\nrest"


@pytest.mark.parametrize(
    ("content", "media_type"),
    [(PNG, "image/png"), (b"\xff\xd8\xff\xe0rest", "image/jpeg"), (b"RIFF\x10\0\0\0WEBPVP8 ", "image/webp")],
)
def test_known_kinds(content: bytes, media_type: str) -> None:
    assert kind(content) == media_type


@given(st.binary(max_size=64))
def test_nothing_else_is_a_picture(content: bytes) -> None:
    starts = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")
    assert kind(content) is None or content.startswith(starts)


def test_the_whole_file_travels(tmp_path: Path) -> None:
    (tmp_path / "photo.txt").write_bytes(PNG)
    head, _, data = data_url(tmp_path / "photo.txt").partition(",")
    assert (head, base64.b64decode(data)) == ("data:image/png;base64", PNG)


def test_what_is_no_picture_is_said_to_be_none(tmp_path: Path) -> None:
    (tmp_path / "cat.txt").write_text("miaow")
    with pytest.raises(SettingsError, match=r"cat\.txt is no JPEG, PNG or WEBP picture"):
        data_url(tmp_path / "cat.txt")
    with pytest.raises(SettingsError, match="No such file"):
        data_url(tmp_path / "dog.png")
