"""Files and directories of a host: what is told of them, and what is not."""

import hashlib
import os
from pathlib import Path

import pytest

from deploy.facts.posture import files
from deploy.facts.posture.files import of_kind, regular, shown, walk


def written(path: Path, content: bytes, mode: int = 0o644) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_a_file_is_told_by_hash_mode_owner_size_and_content(tmp_path: Path) -> None:
    path = written(tmp_path / "a.conf", b"x = 1\n")
    found = regular(str(path), os.lstat(path))
    assert found["sha256"] == hashlib.sha256(b"x = 1\n").hexdigest()
    assert (found["mode"], found["size"], found["content"], found["target"]) == ("0644", 6, "x = 1\n", None)
    assert found["owner"] == Path(path).owner()
    assert found["ctime"] == os.lstat(path).st_ctime


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o440])
def test_what_not_everybody_may_read_is_told_without_its_content(tmp_path: Path, mode: int) -> None:
    path = written(tmp_path / "secret", b"hunter2", mode)
    found = regular(str(path), os.lstat(path))
    assert found["content"] is None
    assert found["sha256"] == hashlib.sha256(b"hunter2").hexdigest()


def test_a_long_file_is_hashed_as_a_whole_and_not_shown(tmp_path: Path) -> None:
    data = b"a" * (files.MAX_CONTENT * 40 + 7)
    path = written(tmp_path / "long", data)
    found = regular(str(path), os.lstat(path))
    assert found["sha256"] == hashlib.sha256(data).hexdigest()
    assert found["content"] is None


def test_what_is_no_text_is_not_shown() -> None:
    assert shown(b"\x00\x01") is None
    assert shown(b"\xff\xfe") is None
    assert shown("Grüße 你好".encode()) == "Grüße 你好"
    assert shown(b"a" * (files.MAX_CONTENT + 1)) is None


def test_a_walk_follows_no_link_and_survives_what_is_gone(tmp_path: Path) -> None:
    written(tmp_path / "in" / "deep" / "file", b"1")
    written(tmp_path / "outside" / "secret", b"2")
    (tmp_path / "in" / "link").symlink_to(tmp_path / "outside")
    found = [path for path, _ in walk([str(tmp_path / "in"), str(tmp_path / "missing"), str(tmp_path / "i*")])]
    assert str(tmp_path / "in" / "deep" / "file") in found
    assert not [path for path in found if "secret" in path]


def test_closed_directories_are_listed_but_not_entered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "models" / "glm" / "weights", b"1")
    monkeypatch.setattr(files, "CLOSED", (str(tmp_path / "models"),))
    assert [path for path, _ in walk([str(tmp_path)])] == [str(tmp_path), str(tmp_path / "models")]


def test_data_directories_give_links_and_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path / "etc" / "a.conf", b"1")
    written(tmp_path / "run" / "data", b"2")
    (tmp_path / "run" / "current").symlink_to("0123456789ab")
    monkeypatch.setattr(files, "CONFIGURATION", (str(tmp_path / "etc"),))
    monkeypatch.setattr(files, "DATA", (str(tmp_path / "run"),))
    found = files.files()
    assert set(found) == {str(tmp_path / "etc" / "a.conf"), str(tmp_path / "run" / "current")}
    assert found[str(tmp_path / "run" / "current")]["target"] == "0123456789ab"
    assert set(files.directories()) == {str(tmp_path / "etc"), str(tmp_path / "run")}


def test_a_name_that_is_no_text_does_not_end_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / os.fsdecode(b"odd\xff")).write_bytes(b"1")
    monkeypatch.setattr(files, "CONFIGURATION", (str(tmp_path),))
    monkeypatch.setattr(files, "DATA", ())
    [name] = files.files()
    assert name.encode("utf-8") == f"{tmp_path}/odd?".encode()


def test_nobody_by_that_number_is_told_by_number(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert files.user_name(3_999_999_999) == "3999999999"
    assert files.group_name(3_999_999_999) == "3999999999"


def test_of_a_kind_looks_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "CONFIGURATION", (str(tmp_path),))
    monkeypatch.setattr(files, "DATA", ())
    os.mkfifo(tmp_path / "pipe")
    assert list(of_kind(lambda mode: (mode & 0o170000) == 0o010000)) == [str(tmp_path / "pipe")]
