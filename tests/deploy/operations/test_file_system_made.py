"""The script that makes the file system, on this machine: logs are kept, and whatever fails is undone."""

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.lab.machine import bounding_set, capabilities
from deploy.operations.file_system import file_system, moved

pytestmark = pytest.mark.long

SIZE = 16 << 20


@pytest.fixture
def host(tmp_path: Path, commands: Callable[..., list[str]]) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    """This machine with a systemctl that mounts and notes what is asked; the directory is in `tmp_path`.

    A container's unit is there if the file `state` is; that says how it is.
    """
    systemctl = f"""#!/bin/sh
cd {tmp_path}
echo "$*" >>asked
case "$*" in
    "start "*.mount) mountpoint -q logs || mount -o loop {tmp_path}/logs.ext4 {tmp_path}/logs ;;
    "start games.service") echo active >state ;;
    "stop games.service") echo inactive >state ;;
    "is-active games.service") cat state; grep -q '^active' state ;;
    "show "*) if [ -e state ]; then echo loaded; else echo not-found; fi ;;
    "-q is-enabled games.service") [ -e state ] ;;
esac
"""
    (tmp_path / "bin").mkdir()
    (tmp_path / "asked").touch()
    program(tmp_path, "systemctl", systemctl)
    done = subprocess.run(["losetup", "-f"], capture_output=True)
    if done.returncode or os.geteuid():
        pytest.skip("no loop device here")

    def run(size: int = SIZE) -> "subprocess.CompletedProcess[str]":
        logs = f"{tmp_path}/logs"
        wanted = {"place": logs, "size": size, "component": "vision"}
        [command] = commands(file_system, wanted, logs={"file_systems": {}})
        command = command.replace("casemate-vision", "games")
        path = f"{tmp_path}/bin:{os.environ['PATH']}"
        return subprocess.run(["sh", "-c", command], capture_output=True, text=True, env={"PATH": path})

    return run


def program(tmp_path: Path, name: str, text: str = "#!/bin/sh\nexit 1\n") -> None:
    """One that is found before the machine's own; without a text it fails."""
    (tmp_path / "bin" / name).write_text(text)
    (tmp_path / "bin" / name).chmod(0o755)


def lines(directory: Path) -> str:
    """Of its log, turned over or not."""
    [log] = directory.glob("audit.jsonl*")
    return log.read_text()


def with_a_line(directory: Path) -> Path:
    directory.mkdir()
    (directory / "audit.jsonl").write_text("a line\n")
    return directory


@pytest.fixture(autouse=True)
def _unmounted(tmp_path: Path) -> Any:
    yield
    subprocess.run(["umount", "--lazy", f"{tmp_path}/logs"], capture_output=True)


def test_old_logs_are_kept_and_what_is_written_ends_at_the_bound(tmp_path: Path, host: Any) -> None:
    logs = with_a_line(tmp_path / "logs")
    os.chown(logs / "audit.jsonl", 64010, 64010)
    os.utime(logs / "audit.jsonl", (1_700_000_000, 1_700_000_000))
    done = host()
    assert done.returncode == 0, done.stderr
    [turned] = logs.glob("audit.jsonl*")
    assert re.fullmatch(r"audit\.jsonl-\d{8}-\d{6}", turned.name), "who follows the live one begins with the next line"
    status = turned.stat()
    assert (status.st_uid, status.st_mtime) == (64010, 1_700_000_000)
    assert turned.read_text() == "a line\n"
    assert os.path.ismount(logs)
    assert (logs.stat().st_mode & 0o777, logs.owner()) == (0o750, "games")
    assert not Path(moved(str(logs))).exists()
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


@pytest.mark.parametrize("left", ["old alone", "half a file", "an empty directory"])
def test_a_run_that_died_is_completed(tmp_path: Path, host: Any, left: str) -> None:
    old = with_a_line(Path(moved(f"{tmp_path}/logs")))
    if left == "half a file":
        (tmp_path / "logs.ext4.new").write_text("half")
    if left == "an empty directory":
        (tmp_path / "logs").mkdir()
    done = host()
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "logs" / "audit.jsonl").read_text() == "a line\n"
    assert not old.exists()


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


def test_a_directory_that_somebody_else_made_is_left_alone(tmp_path: Path, host: Any) -> None:
    with_a_line(tmp_path / "logs")
    evidence = with_a_line(tmp_path / "logs.old")
    assert host().returncode == 0
    assert (evidence / "audit.jsonl").read_text() == "a line\n"


def asked(tmp_path: Path) -> list[str]:
    return (tmp_path / "asked").read_text().splitlines()


_MOUNT_FAILS = """#!/bin/sh
case "$*" in "start "*.mount) exit 1 ;; *) exec %s "$@" ;; esac
"""


@pytest.mark.parametrize("fails", ["losetup", "fallocate", "mkfs.ext4", "sync", "install", "mount"])
@pytest.mark.parametrize("killed", [False, True], ids=["", "after one that was killed"])
def test_whatever_fails_the_logs_are_back_and_the_container_runs(
    tmp_path: Path, host: Any, fails: str, killed: bool
) -> None:
    logs = with_a_line(Path(moved(f"{tmp_path}/logs")) if killed else tmp_path / "logs")
    (tmp_path / "state").write_text("inactive" if killed else "active")
    if fails == "mount":
        (tmp_path / "bin" / "systemctl").rename(tmp_path / "bin" / "real")
        program(tmp_path, "systemctl", _MOUNT_FAILS % f"{tmp_path}/bin/real")
    else:
        program(tmp_path, fails)
    done = host()
    assert done.returncode == 1
    assert lines(tmp_path / "logs") == "a line\n"
    assert not Path(moved(str(logs))).exists()
    assert sorted(path.name for path in tmp_path.glob("logs*")) == ["logs"]
    assert (tmp_path / "state").read_text().strip() == "active"
    if fails in ("losetup", "fallocate"):
        assert "logs.container_max" in done.stderr
        assert "stop games.service" not in asked(tmp_path)
    (tmp_path / "bin" / fails).unlink(missing_ok=True)
    if fails != "mount":
        assert host().returncode == 0, "the next run does it"


def test_a_run_that_is_told_to_end_undoes_what_it_did(tmp_path: Path, host: Any) -> None:
    with_a_line(tmp_path / "logs")
    (tmp_path / "state").write_text("active")
    program(tmp_path, "mkfs.ext4", "#!/bin/sh\nkill -s TERM $PPID\nsleep 1\n")
    assert host().returncode == 1
    assert lines(tmp_path / "logs") == "a line\n"
    assert (tmp_path / "state").read_text().strip() == "active"


def test_whom_a_process_of_the_user_is_left_of_gets_nothing_moved(tmp_path: Path, host: Any) -> None:
    with_a_line(tmp_path / "logs")
    (tmp_path / "state").write_text("active")
    with subprocess.Popen(["sleep", "60"], user="games") as process:
        try:
            done = host()
        finally:
            process.kill()
    assert done.returncode == 1
    assert "games still runs: /proc/" in done.stderr
    assert lines(tmp_path / "logs") == "a line\n"
    assert asked(tmp_path)[-1] == "start games.service"


@pytest.mark.parametrize("state", ["active", "activating"])
def test_a_container_never_runs_while_its_file_system_appears(tmp_path: Path, host: Any, state: str) -> None:
    """It would go on in the directory beneath."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "state").write_text(state)
    assert host().returncode == 0
    told = [line for line in asked(tmp_path) if line.split()[0] in ("start", "stop")]
    stopped, turning_over, mounted, started = told
    assert (stopped, started) == ("stop games.service", "start games.service")
    assert (turning_over, mounted[-5:]) == ("stop casemate-logrotate.service", "mount")


def test_one_that_is_mounted_gets_the_options_of_its_unit_and_its_container_runs_on(tmp_path: Path, host: Any) -> None:
    assert host().returncode == 0
    (tmp_path / "state").write_text("active")
    (tmp_path / "asked").write_text("")
    assert host().returncode == 0
    assert [line for line in asked(tmp_path) if line.startswith("reload ")]
    assert "stop games.service" not in asked(tmp_path)


def test_another_file_system_of_the_operator_is_refused(tmp_path: Path, host: Any) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", str(logs)], check=True)
    (logs / "audit.jsonl").write_text("a line\n")
    done = host()
    assert done.returncode == 1
    assert "is a file system of yours (none)" in done.stderr
    assert (logs / "audit.jsonl").read_text() == "a line\n"


def test_more_files_than_have_room_are_refused(tmp_path: Path, host: Any) -> None:
    logs = with_a_line(tmp_path / "logs")
    for number in range(SIZE // 16384):
        (logs / f"{number}").touch()
    done = host()
    assert done.returncode == 1
    assert "files, expected at most" in done.stderr
