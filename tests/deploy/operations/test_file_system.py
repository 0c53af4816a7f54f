"""A directory gets a file system of a fixed size, and keeps what it had."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.errors import CasemateError
from deploy.lab.machine import bounding_set, capabilities
from deploy.operations.file_system import file_system

PLACE = "/var/log/casemate/vision"
SIZE = 16 << 20
WANTED = {"place": PLACE, "image": f"{PLACE}.ext4", "size": SIZE, "component": "vision"}
RUNNING = {"load": "loaded", "active": "active", "enabled": "enabled", "needs_reload": False}


def seen(bytes: int = SIZE, allocated: int = SIZE, **unit: Any) -> dict[str, Any]:
    return {
        "logs": {"images": {f"{PLACE}.ext4": {"bytes": bytes, "allocated": allocated}}},
        "units": {"var-log-casemate-vision.mount": {**RUNNING, **unit}},
    }


def test_one_that_is_mounted_whole_is_left_alone(commands: Callable[..., list[str]]) -> None:
    assert commands(file_system, WANTED, **seen()) == []


@pytest.mark.parametrize(
    "snapshot",
    [
        {"logs": {"images": {}}},
        seen(bytes=SIZE // 2),
        seen(allocated=SIZE // 2),
        seen(active="inactive"),
        seen(active="failed"),
        seen(enabled="disabled"),
        seen() | {"directories": {f"{PLACE}.old": {}}},
    ],
    ids=["absent", "smaller", "sparse", "unmounted", "failed", "disabled", "half moved"],
)
def test_all_else_is_made_right(commands: Callable[..., list[str]], snapshot: dict[str, Any]) -> None:
    [command] = commands(file_system, WANTED, **snapshot)
    assert "fallocate -l $size" in command


def test_one_that_is_larger_is_not_made_smaller(commands: Callable[..., list[str]]) -> None:
    with pytest.raises(CasemateError, match="logs lie in it"):
        commands(file_system, WANTED, **seen(bytes=2 * SIZE))


@pytest.fixture
def host(tmp_path: Path, commands: Callable[..., list[str]]) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """This machine with a systemctl that mounts and knows of no container; the directory is in `tmp_path`."""
    systemctl = f"""#!/bin/sh
case "$1 $2" in
    "start "*.mount) mountpoint -q {tmp_path}/logs || mount -o loop {tmp_path}/logs.ext4 {tmp_path}/logs ;;
    "-q "*) exit 1 ;;
esac
"""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "systemctl").write_text(systemctl)
    (tmp_path / "bin" / "systemctl").chmod(0o755)
    done = subprocess.run(["losetup", "-f"], capture_output=True)
    if done.returncode or os.geteuid():
        pytest.skip("no loop device here")

    def run(size: int = SIZE) -> "subprocess.CompletedProcess[str]":
        wanted = {**WANTED, "place": f"{tmp_path}/logs", "image": f"{tmp_path}/logs.ext4", "size": size}
        [command] = commands(file_system, wanted, logs={"images": {}})
        command = command.replace("casemate-vision:casemate-vision", "games:games").replace("casemate-vision", "games")
        path = f"{tmp_path}/bin:{os.environ['PATH']}"
        return subprocess.run(["sh", "-c", command], capture_output=True, text=True, env={"PATH": path})

    return run


@pytest.fixture(autouse=True)
def _unmounted(tmp_path: Path) -> Any:
    yield
    subprocess.run(["umount", "--lazy", f"{tmp_path}/logs"], capture_output=True)


def test_old_logs_are_kept_and_what_is_written_ends_at_the_bound(tmp_path: Path, host: Any) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "audit.jsonl").write_text("a line\n")
    os.chown(logs / "audit.jsonl", 64010, 64010)
    os.utime(logs / "audit.jsonl", (1_700_000_000, 1_700_000_000))
    done = host()
    assert done.returncode == 0, done.stderr
    status = (logs / "audit.jsonl").stat()
    assert (status.st_uid, status.st_mtime) == (64010, 1_700_000_000)
    assert (logs / "audit.jsonl").read_text() == "a line\n"
    assert os.path.ismount(logs)
    assert (logs.stat().st_mode & 0o777, logs.owner()) == (0o750, "games")
    assert not (tmp_path / "logs.old").exists()
    assert subprocess.run(["fallocate", "-l", str(SIZE), logs / "junk"], capture_output=True).returncode


@pytest.mark.skipif("SYS_RESOURCE" not in capabilities(bounding_set()), reason="who may not resize a mounted one")
def test_it_grows_while_it_is_mounted(tmp_path: Path, host: Any) -> None:
    logs = tmp_path / "logs"
    assert host().returncode == 0
    (logs / "audit.jsonl").write_text("a line\n")
    grown = host(2 * SIZE)
    assert grown.returncode == 0, grown.stderr
    assert os.statvfs(logs).f_blocks * os.statvfs(logs).f_frsize > SIZE
    assert (tmp_path / "logs.ext4").stat().st_blocks * 512 >= 2 * SIZE
    assert (logs / "audit.jsonl").read_text() == "a line\n"


@pytest.mark.parametrize("left", ["old alone", "half an image", "an empty directory"])
def test_a_run_that_died_is_completed(tmp_path: Path, host: Any, left: str) -> None:
    (tmp_path / "logs.old").mkdir()
    (tmp_path / "logs.old" / "audit.jsonl").write_text("a line\n")
    if left == "half an image":
        (tmp_path / "logs.ext4.new").write_text("half")
    if left == "an empty directory":
        (tmp_path / "logs").mkdir()
    done = host()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "logs" / "audit.jsonl").read_text() == "a line\n"
    assert not (tmp_path / "logs.old").exists()


def test_more_than_has_room_is_refused_and_stays(tmp_path: Path, host: Any) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "audit.jsonl").write_bytes(os.urandom(SIZE * 7 // 8))
    done = host()
    assert done.returncode == 1
    assert "expected at most three quarters" in done.stderr
    assert (tmp_path / "logs" / "audit.jsonl").stat().st_size == SIZE * 7 // 8


def test_files_beneath_a_file_system_that_is_not_mounted_stay(tmp_path: Path, host: Any) -> None:
    assert host().returncode == 0
    subprocess.run(["umount", tmp_path / "logs"], check=True)
    (tmp_path / "logs" / "audit.jsonl").write_text("a line\n")
    done = host()
    assert done.returncode == 1
    assert "move them away" in done.stderr
    assert (tmp_path / "logs" / "audit.jsonl").read_text() == "a line\n"
