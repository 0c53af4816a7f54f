"""The directory that a container opens its socket in: room for that, and for nothing else."""

import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.release import door
from service.release.errors import ReleaseError
from service.release.layout import Layout

NOBODY = 65534


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    probe = tmp_path / "probe"
    probe.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "casemate", str(probe)], capture_output=True).returncode:
        pytest.skip("who may not mount here")
    subprocess.run(["umount", str(probe)], check=True)
    made = Layout(tmp_path)
    yield made
    door.sweep(made, "gate", None)


def fill(directory: Path) -> None:
    for number in range(64):
        (directory / f"name{number}").touch()


def test_it_has_room_for_a_socket_and_for_little_more(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = door.socket_directory(layout, "gate", "a", NOBODY)
    seen = directory.stat()
    assert (seen.st_mode & 0o7777, seen.st_uid, directory.group()) == (0o750, NOBODY, door.NGINX_GROUP)
    monkeypatch.chdir(directory)  # The path of a UNIX socket has at most 107 bytes.
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("gate.sock")
    with pytest.raises(OSError, match="No space left"), (directory / "junk").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, 1 << 20)
    with pytest.raises(OSError, match="No space left"):
        fill(directory)
    assert os.statvfs(directory).f_flag & os.ST_NOEXEC


def test_what_one_release_fills_leaves_the_next_its_room_and_itself_a_fresh_start(layout: Layout) -> None:
    old = door.socket_directory(layout, "gate", "a", NOBODY)
    with pytest.raises(OSError, match="No space left"):
        fill(old)
    new = door.socket_directory(layout, "gate", "b", NOBODY)
    (new / "gate.sock").touch()
    door.lead(layout, "gate", "b")
    assert [*door.socket_directory(layout, "gate", "a", NOBODY).iterdir()] == []
    door.sweep(layout, "gate", "b")
    assert sorted(path.name for path in layout.sockets("gate").iterdir()) == ["b", "current"]
    assert (layout.sockets("gate") / "current" / "gate.sock").exists()


def test_a_file_system_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="mount -t tmpfs"):
        door.mount(tmp_path / "none")
