"""The daemon when it is hindered: killed, stopped, flooded, or given what cannot be read."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.freezing import freeze
from tests.service.sentinel.running import Sentinel, until

pytestmark = pytest.mark.long


def test_what_happened_while_it_was_killed_is_found_and_the_gap_is_said(seeing: Sentinel) -> None:
    seeing.stop(signal.SIGKILL)
    seen = len(seeing.lines())
    (seeing.watched / "planted").write_text("while you slept")
    (seeing.watched / "index.php").write_text("two")
    (seeing.watched / "deep/file").unlink()
    seeing.start()
    assert seeing.alerted(seeing.watched / "planted", "created", seen)["found_by"] == "sweep"
    seeing.alerted(seeing.watched / "index.php", "changed", seen)
    seeing.alerted(seeing.watched / "deep/file", "removed", seen)
    gap = seeing.wait(lambda line: line["event"] == "coverage_gap", seen)
    assert "did not run" in gap["why"]
    assert gap["until"] > gap["since"]
    seeing.true()


def test_a_stopped_one_catches_up_and_says_how_long_it_stood(seeing: Sentinel) -> None:
    assert seeing.process
    freeze(seeing.process.pid)
    for number in range(300):
        (seeing.watched / f"file{number}").write_text(str(number))
    time.sleep(7)  # What it says is how long it stood, and it is long only from some seconds on.
    seeing.process.send_signal(signal.SIGCONT)
    gap = seeing.wait(lambda line: line["event"] == "coverage_gap")
    assert "stood still" in gap["why"]
    seeing.true()
    assert len({line["path"] for line in seeing.alerts()}) == 300


def test_a_file_that_grows_while_it_is_hashed_is_told_in_the_end(seeing: Sentinel) -> None:
    growing = seeing.watched / "growing"
    with growing.open("wb") as file:
        for _ in range(400):
            file.write(os.urandom(1 << 16))
            file.flush()
            time.sleep(0.002)
    seeing.alerted(growing, "created")
    until(lambda: seeing.alerts(growing)[-1]["after"].get("sha256"))
    seeing.true()


def test_a_large_file_is_told_at_once_and_its_hash_when_it_is_read(seeing: Sentinel) -> None:
    weights = seeing.watched / "model.safetensors"
    weights.write_bytes(os.urandom(40 << 20))
    seeing.alerted(weights, "created")
    until(lambda: seeing.alerts(weights)[-1]["after"].get("sha256"))
    seeing.true()
    seen = len(seeing.lines())
    with weights.open("r+b") as file:
        file.seek(20 << 20)
        file.write(b"poison")
    seeing.wait(lambda line: line["event"] == "alert" and "sha256" in line.get("differs", ()), seen)
    seeing.true()


def test_a_storm_leaves_nothing_untold(seeing: Sentinel) -> None:
    for round_ in range(20):
        directory = seeing.watched / f"d{round_}" / "a" / "b"
        directory.mkdir(parents=True)
        for number in range(100):
            path = directory / str(number)
            path.write_text(f"{round_} {number}")
            if number % 3 == 0:
                path.unlink()
            elif number % 3 == 1:
                path.rename(directory / f"moved{number}")
        if round_ % 4 == 3:
            shutil.rmtree(seeing.watched / f"d{round_}")
    seeing.true()
    known = {line["path"] for line in seeing.alerts() if line["what"] != "transient"}
    there = {str(path) for path in seeing.watched.rglob("*")} - {
        str(seeing.watched / name) for name in ("index.php", "deep", "deep/file", "link")
    }
    assert there <= known


def test_an_edit_of_the_disk_behind_the_kernel_is_found_by_reading_again(sentinel: Sentinel) -> None:
    """No event, no time, no stamp tells of it: only the content does."""
    image, place = sentinel.root / "disk.img", sentinel.watched / "mounted"
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(64 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    if subprocess.run(["mount", "-o", "loop", str(image), str(place)], capture_output=True).returncode:
        pytest.skip("no loop devices here")
    try:
        for name, size in (("small", 5000), ("large", 20 << 20)):
            (place / name).write_bytes(f"the marked content of {name}".encode().ljust(size, b"."))
        os.sync()
        sentinel.start()
        loop = subprocess.run(["findmnt", "-no", "SOURCE", str(place)], capture_output=True, text=True).stdout.strip()
        for name in ("small", "large"):
            mark = f"the marked content of {name}".encode()
            with open(loop, "r+b") as disk:
                at = disk.read().index(mark)
                disk.seek(at)
                disk.write(b"X")
                disk.flush()
                os.fsync(disk.fileno())
            fd = os.open(place / name, os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)
        sentinel.ask("sweep")
        assert not sentinel.alerts()
        sentinel.ask("sweep", content=True)
        for name in ("small", "large"):
            assert sentinel.alerted(place / name, "changed")["differs"] == ["sha256"]
    finally:
        sentinel.close()
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_an_overflow_is_said_and_what_it_hid_is_found(sentinel: Sentinel) -> None:
    sentinel.start(source="inotify")
    assert sentinel.process
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    freeze(sentinel.process.pid)
    for number in range(most // 3 + 2000):
        (sentinel.watched / str(number)).write_text("x")
    (sentinel.watched / "last").write_text("behind the overflow")
    sentinel.process.send_signal(signal.SIGCONT)
    sentinel.wait(lambda line: line["event"] == "coverage_gap", seconds=30)
    until(lambda: sentinel.alerts(sentinel.watched / "last"), 60)
    sentinel.true()
    until(lambda: not sentinel.status()["gaps"]["open"], 60)


def test_what_cannot_be_read_is_said_once(seeing: Sentinel) -> None:
    """A directory under an extended lock cannot be had here: a file whose disk gives errors can."""
    image = seeing.root / "disk.img"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    setup = subprocess.run(["losetup", "-f", "--show", str(image)], capture_output=True, text=True)
    if setup.returncode:
        pytest.skip("no loop devices here")
    loop = setup.stdout.strip()
    place = seeing.watched / "bad"
    place.mkdir()
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", loop], check=True)
        subprocess.run(["mount", loop, str(place)], check=True)
        (place / "file").write_bytes(b"x" * 100_000)
        os.sync()
        seeing.ask("sweep")
        seeing.alerted(place / "file", "created")
        fd = os.open(place / "file", os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
        os.truncate(image, 0)
        if not _fails(place / "file"):
            pytest.skip("the kernel still has it")
        statistics = Path(f"/sys/block/{Path(loop).name}/stat")
        for _ in range(2):
            reads = statistics.read_text().split()[0]
            seeing.ask("sweep", content=True)
            until(lambda reads=reads: statistics.read_text().split()[0] != reads)  # type: ignore[misc]
            seeing.ask("sweep")  # What was read meanwhile is judged when it is over.
            seeing.wait(lambda line: line["event"] == "unreadable" and "bad/file" in line["why"])
        told = [line for line in seeing.lines() if line["event"] == "unreadable" and "bad/file" in line["why"]]
        assert len(told) == 1
    finally:
        seeing.close()
        subprocess.run(["umount", "-l", str(place)], check=False)
        subprocess.run(["losetup", "-d", loop], check=False)


def _fails(file: Path) -> bool:
    try:
        file.read_bytes()
    except OSError:
        return True
    return False
