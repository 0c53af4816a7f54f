"""Copies that nobody can steer: links, pipes, holes and files that change."""

import hashlib
import os
import socket
from pathlib import Path

import pytest

from service.sentinel.evidence import copied, network_of, used

CONTENT = b"<?php system($_GET['c']);" * 10_000


def test_a_file_is_copied_whole_with_its_hash_and_who_has_it(tmp_path: Path) -> None:
    source = tmp_path / "shell\n\x1b[31m.php"
    source.write_bytes(CONTENT)
    source.chmod(0o4755)
    os.setxattr(source, "user.note", b"x")
    told = copied(bytes(source), tmp_path / "copy", 1 << 20)
    assert (tmp_path / "copy").read_bytes() == CONTENT
    assert (tmp_path / "copy").stat().st_mode & 0o7777 == 0o600
    assert told["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (told["copied"], told["whole"], told["holes"], told["size"]) == (len(CONTENT), True, False, len(CONTENT))
    assert told["mode"] & 0o7777 == 0o4755
    assert told["xattrs"] == {"user.note": "78"}


def test_a_long_file_is_cut_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "long").write_bytes(CONTENT)
    told = copied(bytes(tmp_path / "long"), tmp_path / "copy", 1000)
    assert (told["copied"], told["whole"], told["size"]) == (1000, False, len(CONTENT))
    assert (tmp_path / "copy").read_bytes() == CONTENT[:1000]
    assert told["sha256"] == hashlib.sha256(CONTENT[:1000]).hexdigest()


def test_holes_cost_nothing_and_hide_nothing(tmp_path: Path) -> None:
    with (tmp_path / "holes").open("wb") as file:
        file.seek(1 << 40)
        file.write(b"planted after a terabyte")
        file.truncate(1 << 41)
    told = copied(bytes(tmp_path / "holes"), tmp_path / "copy", 1 << 20)
    assert (told["whole"], told["holes"]) == (True, True)
    with (tmp_path / "copy").open("rb") as file:
        file.seek(1 << 40)
        assert file.read(24) == b"planted after a terabyte"
    assert (tmp_path / "copy").stat().st_size == 1 << 41
    assert used(tmp_path) < 1 << 20


def test_an_empty_file_is_a_copy_too(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    assert copied(bytes(tmp_path / "empty"), tmp_path / "copy", 10)["whole"]
    assert (tmp_path / "copy").read_bytes() == b""


@pytest.mark.parametrize("kind", ["link", "way", "pipe", "directory", "socket", "gone", "device"])
def test_what_is_no_file_is_told_and_not_opened(tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("of somebody else")
    path = tmp_path / "planted"
    if kind == "link":
        path.symlink_to(secret / "key")
    elif kind == "way":
        path.symlink_to(secret)
        path /= "key"
    elif kind == "pipe":
        os.mkfifo(path)  # opening it to read would wait for ever
    elif kind == "directory":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(str(path))
    elif kind == "device":
        path = Path("/dev/zero")
    told = copied(bytes(path), tmp_path / "copy", 1 << 20)
    assert told["not_copied"]
    assert not (tmp_path / "copy").exists()
    if kind == "link":
        assert told["target"] == str(secret / "key")


def test_an_earlier_copy_is_never_written_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("new")
    (tmp_path / "copy").write_text("old")
    assert copied(bytes(tmp_path / "file"), tmp_path / "copy", 10)["not_copied"]
    assert (tmp_path / "copy").read_text() == "old"


def test_the_network_of_a_process_that_ended_is_none() -> None:
    assert "local_address" in network_of(os.getpid())["tcp"]
    assert network_of(2**22 + 1) == {}
