"""The daemon as a process against real changes of files."""

from __future__ import annotations

import mmap
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.service.sentinel.running import Sentinel, until

pytestmark = pytest.mark.long


@pytest.fixture(params=["fanotify", "inotify"])
def started(sentinel: Sentinel, request: pytest.FixtureRequest) -> Sentinel:
    """With a file, a directory and a link that it knows."""
    (sentinel.watched / "index.php").write_text("one")
    (sentinel.watched / "deep").mkdir()
    (sentinel.watched / "deep/file").write_text("two")
    (sentinel.watched / "link").symlink_to("index.php")
    sentinel.start(source=request.param)
    assert sentinel.status()["source"]["name"] == request.param
    assert not sentinel.alerts()
    return sentinel


def test_a_webshell_is_alerted_at_once_with_the_right_words(started: Sentinel) -> None:
    shell = started.watched / "shell.php"
    shell.write_text("<?php system($_GET[0]);")
    line = started.alerted(shell, "created")
    assert (line["severity"], line["set"], line["found_by"]) == ("critical", "web", "event")
    started.true()


def test_what_changes_by_no_content_is_alerted(started: Sentinel) -> None:
    index, deep = started.watched / "index.php", started.watched / "deep/file"
    index.chmod(0o4755)
    assert started.alerted(index, "changed")["differs"] == ["mode"]
    os.chown(deep, 33, 33)
    assert started.alerted(deep, "changed")["differs"] == ["uid", "gid"]
    seen = len(started.lines())
    os.setxattr(deep, "user.note", b"x")
    assert started.wait(lambda line: line.get("differs") == ["attributes"], seen)
    os.utime(index, (1, 1))
    assert started.wait(lambda line: line.get("differs") == ["mtime"], seen)
    started.true()


def test_moves_are_alerted_at_both_ends(started: Sentinel, tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("from outside")
    (tmp_path / "outside").rename(started.watched / "moved")
    started.alerted(started.watched / "moved", "created")
    (tmp_path / "tree/sub").mkdir(parents=True)
    (tmp_path / "tree/sub/leaf").write_text("leaf")
    (tmp_path / "tree").rename(started.watched / "tree")
    started.alerted(started.watched / "tree/sub/leaf", "created")
    (started.watched / "deep").rename(started.watched / "elsewhere")
    started.alerted(started.watched / "deep/file", "removed")
    started.alerted(started.watched / "elsewhere/file", "created")
    started.true()


def test_a_rename_over_and_a_hard_link_are_alerted(started: Sentinel, tmp_path: Path) -> None:
    index = started.watched / "index.php"
    (tmp_path / "new").write_text("not one")
    (tmp_path / "new").rename(index)
    assert "sha256" in started.alerted(index, "changed")["differs"]
    (tmp_path / "other").write_text("linked")
    os.link(tmp_path / "other", started.watched / "hard")
    started.alerted(started.watched / "hard", "created")
    started.true()


def test_deletions_are_alerted_one_by_one(started: Sentinel) -> None:
    shutil.rmtree(started.watched / "deep")
    started.alerted(started.watched / "deep/file", "removed")
    started.alerted(started.watched / "deep", "removed")
    started.true()


def test_a_link_is_looked_at_and_never_followed(started: Sentinel, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/file").write_text("elsewhere")
    (started.watched / "link").unlink()
    (started.watched / "link").symlink_to(tmp_path / "secret")
    until(lambda: any(a.get("after", {}).get("target") == str(tmp_path / "secret") for a in started.alerts()))
    shutil.rmtree(started.watched / "deep")
    (started.watched / "deep").symlink_to(tmp_path / "secret")
    started.alerted(started.watched / "deep/file", "removed")
    started.true()
    assert not started.alerts(tmp_path / "secret/file")


def test_strange_names_are_told_readably_and_exactly(started: Sentinel) -> None:
    for name in (b"new\nline", b"esc\x1b[2J", b"\xff\xfe", b"back\\slash"):
        path = os.fsencode(started.watched) + b"/" + name
        Path(os.fsdecode(path)).write_text("x")
        line = started.alerted(path, "created")
        assert line["path"].isprintable()
        if name != b"back\\slash":
            assert bytes.fromhex(line["path_hex"]) == path
    started.true()


def test_a_write_through_a_mapping_with_its_time_put_back_is_found_by_the_sweep(started: Sentinel) -> None:
    index = started.watched / "index.php"
    before = index.stat()
    with index.open("r+b") as file, mmap.mmap(file.fileno(), 0) as area:
        area[0:1] = b"X"
        area.flush()
    os.utime(index, ns=(before.st_atime_ns, before.st_mtime_ns))
    started.true()
    assert "sha256" in started.alerts(index)[-1]["differs"]


def test_a_file_that_comes_and_goes_is_told(started: Sentinel) -> None:
    for number in range(20):
        path = started.watched / f"flash{number}"
        path.write_text("x")
        path.unlink()
    started.true()
    for number in range(20):
        told = [line["what"] for line in started.alerts(started.watched / f"flash{number}")]
        assert told in (["transient"], ["created", "removed"]), (number, told)


def test_what_happened_while_it_was_killed_is_found_and_the_gap_is_said(started: Sentinel) -> None:
    started.stop(signal.SIGKILL)
    seen = len(started.lines())
    (started.watched / "planted").write_text("while you slept")
    (started.watched / "index.php").write_text("two")
    (started.watched / "deep/file").unlink()
    started.start()
    assert started.alerted(started.watched / "planted", "created", seen)["found_by"] == "sweep"
    started.alerted(started.watched / "index.php", "changed", seen)
    started.alerted(started.watched / "deep/file", "removed", seen)
    gap = started.wait(lambda line: line["event"] == "coverage_gap", seen)
    assert "did not run" in gap["why"]
    assert gap["until"] > gap["since"]
    started.true()


def test_a_stopped_one_catches_up_and_says_how_long_it_stood(started: Sentinel) -> None:
    assert started.process
    started.process.send_signal(signal.SIGSTOP)
    for number in range(300):
        (started.watched / f"file{number}").write_text(str(number))
    time.sleep(7)  # What it says is how long it stood, and it is long only from some seconds on.
    started.process.send_signal(signal.SIGCONT)
    gap = started.wait(lambda line: line["event"] == "coverage_gap")
    assert "stood still" in gap["why"]
    started.true()
    assert len({line["path"] for line in started.alerts()}) == 300


def test_a_file_that_grows_while_it_is_hashed_is_told_in_the_end(started: Sentinel) -> None:
    growing = started.watched / "growing"
    with growing.open("wb") as file:
        for _ in range(400):
            file.write(os.urandom(1 << 16))
            file.flush()
            time.sleep(0.002)
    started.alerted(growing, "created")
    until(lambda: started.alerts(growing)[-1]["after"].get("sha256"))
    started.true()


def test_a_large_file_is_told_at_once_and_its_hash_when_it_is_read(started: Sentinel) -> None:
    weights = started.watched / "model.safetensors"
    weights.write_bytes(os.urandom(40 << 20))
    started.alerted(weights, "created")
    until(lambda: started.alerts(weights)[-1]["after"].get("sha256"))
    started.true()
    seen = len(started.lines())
    with weights.open("r+b") as file:
        file.seek(20 << 20)
        file.write(b"poison")
    started.wait(lambda line: line["event"] == "alert" and "sha256" in line.get("differs", ()), seen)
    started.true()


def test_a_storm_leaves_nothing_untold(started: Sentinel) -> None:
    for round_ in range(20):
        directory = started.watched / f"d{round_}" / "a" / "b"
        directory.mkdir(parents=True)
        for number in range(100):
            path = directory / str(number)
            path.write_text(f"{round_} {number}")
            if number % 3 == 0:
                path.unlink()
            elif number % 3 == 1:
                path.rename(directory / f"moved{number}")
        if round_ % 4 == 3:
            shutil.rmtree(started.watched / f"d{round_}")
    started.true()
    known = {line["path"] for line in started.alerts() if line["what"] != "transient"}
    there = {str(path) for path in started.watched.rglob("*")} - {
        str(started.watched / name) for name in ("index.php", "deep", "deep/file", "link")
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
    sentinel.process.send_signal(signal.SIGSTOP)
    for number in range(most // 3 + 2000):
        (sentinel.watched / str(number)).write_text("x")
    (sentinel.watched / "last").write_text("behind the overflow")
    sentinel.process.send_signal(signal.SIGCONT)
    sentinel.wait(lambda line: line["event"] == "coverage_gap", seconds=30)
    until(lambda: sentinel.alerts(sentinel.watched / "last"), 60)
    sentinel.true()
    until(lambda: not sentinel.status()["gaps"]["open"])


def test_what_cannot_be_read_is_said_once(started: Sentinel) -> None:
    """A directory under an extended lock cannot be had here: a file whose disk gives errors can."""
    image = started.root / "disk.img"
    with image.open("wb") as file:
        file.truncate(16 << 20)
    setup = subprocess.run(["losetup", "-f", "--show", str(image)], capture_output=True, text=True)
    if setup.returncode:
        pytest.skip("no loop devices here")
    loop = setup.stdout.strip()
    place = started.watched / "bad"
    place.mkdir()
    try:
        subprocess.run(["mkfs.ext4", "-q", "-F", loop], check=True)
        subprocess.run(["mount", loop, str(place)], check=True)
        (place / "file").write_bytes(b"x" * 100_000)
        os.sync()
        started.ask("sweep")
        started.alerted(place / "file", "created")
        fd = os.open(place / "file", os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)
        os.truncate(image, 0)
        if not _fails(place / "file"):
            pytest.skip("the kernel still has it")
        for _ in range(2):
            started.ask("sweep", content=True)
            time.sleep(0.5)
        told = [line for line in started.lines() if line["event"] == "unreadable" and "bad/file" in line["why"]]
        assert len(told) == 1
    finally:
        started.close()
        subprocess.run(["umount", "-l", str(place)], check=False)
        subprocess.run(["losetup", "-d", loop], check=False)


def _fails(file: Path) -> bool:
    try:
        file.read_bytes()
    except OSError:
        return True
    return False
