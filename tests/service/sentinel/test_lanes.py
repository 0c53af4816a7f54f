"""A process that hashes: right, gives way, and may die at any time."""

from __future__ import annotations

import hashlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.sentinel import content, hasher
from service.sentinel.lanes import Lanes
from tests.freezing import freeze

pytestmark = pytest.mark.long

LANES = 3
MEGABYTE = 1 << 20


@pytest.fixture
def lanes(tmp_path: Path) -> Iterator[Lanes]:
    one = begun(tmp_path)
    yield one
    one.close()


def begun(folder: Path) -> Lanes:
    """With its process: the first file starts it."""
    one = Lanes(LANES, hasher.LAST)
    assert one.pid is None
    (folder / "first").write_bytes(b"x")
    assert hashed(one, folder / "first")
    assert one.pid
    return one


def hashed(lanes: Lanes, file: Path, size: int | None = None, lane: int = 0) -> bytes | None:
    fd = os.open(file, os.O_RDONLY)
    try:
        return lanes.sha256(lane, fd, file.stat().st_size if size is None else size)
    finally:
        os.close(fd)


def stopped_at(pid: int, file: Path, lanes: int) -> bool:
    """Stop it in the middle of the file, which is read on so many lanes; False: it was quicker, and goes on."""

    def ahead() -> int:
        """How often a window of the first half is mapped: there is more to come."""
        maps = Path(f"/proc/{pid}/maps").read_text().splitlines()
        offsets = [int(line.split()[2], 16) for line in maps if line.endswith(str(file))]
        return sum(offset < file.stat().st_size / 2 for offset in offsets)

    end = time.monotonic() + 5
    while ahead() < lanes and time.monotonic() < end:
        pass
    freeze(pid)
    if ahead() == lanes:
        return True
    os.kill(pid, signal.SIGCONT)
    return False


class Asking:
    """Asks for a file on some lanes at once; `answers` holds what has come, by the lane."""

    def __init__(self, lanes: Lanes, file: Path, count: int = LANES) -> None:
        self.answers: dict[int, bytes | None] = {}

        def ask(lane: int) -> None:
            self.answers[lane] = hashed(lanes, file, file_size, lane)

        file_size = file.stat().st_size
        self.threads = [threading.Thread(target=ask, args=(lane,)) for lane in range(count)]
        for thread in self.threads:
            thread.start()

    def end(self) -> dict[int, bytes | None]:
        for thread in self.threads:
            thread.join(120)
        return self.answers


def no_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*_: object) -> bytes:
        raise AssertionError("it was to be mapped by the process")

    monkeypatch.setattr(content, "sha256", read)


@pytest.mark.parametrize("size", [0, 1, hasher._WINDOW - 1, hasher._WINDOW, hasher._WINDOW + 1, 2 * hasher._WINDOW + 7])
def test_the_hash_is_right_whatever_the_size(
    lanes: Lanes, tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_reading(monkeypatch)
    text = os.urandom(size)
    (tmp_path / "file").write_bytes(text)
    for lane in range(LANES):
        assert hashed(lanes, tmp_path / "file", lane=lane) == hashlib.sha256(text).digest()


@pytest.mark.parametrize("size", [MEGABYTE - 1, MEGABYTE + 1, 40 * MEGABYTE])
def test_another_length_than_was_said_is_no_hash(lanes: Lanes, tmp_path: Path, size: int) -> None:
    (tmp_path / "file").write_bytes(os.urandom(MEGABYTE))
    assert hashed(lanes, tmp_path / "file", size) is None


def test_what_cannot_be_mapped_is_read(lanes: Lanes) -> None:
    """A file of /proc has content, and no pages."""
    file = Path("/proc/version")
    text, pid = file.read_bytes(), lanes.pid
    assert hashed(lanes, file, len(text)) == hashlib.sha256(text).digest()
    assert lanes.pid == pid


@pytest.mark.parametrize(("when", "policy"), [(hasher.LAST, os.SCHED_OTHER), (hasher.IDLE, os.SCHED_IDLE)])
def test_its_threads_give_way_and_the_daemon_s_do_not(tmp_path: Path, when: str, policy: int) -> None:
    """Who holds the interpreter's lock and gives way makes everybody of his process give way."""
    (tmp_path / "file").write_bytes(b"x")
    one = Lanes(LANES, when)
    for lane in range(LANES):
        hashed(one, tmp_path / "file", lane=lane)
    serving = [int(name) for name in os.listdir(f"/proc/{one.pid}/task") if int(name) != one.pid]
    policies = [(os.sched_getscheduler(thread), os.getpriority(os.PRIO_PROCESS, thread)) for thread in serving]
    one.close()
    assert policies == [(policy, 19)] * LANES
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


def test_its_death_loses_no_hash_and_another_one_takes_its_place(
    lanes: Lanes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, first = tmp_path / "file", lanes.pid
    file.write_bytes(os.urandom(160 * MEGABYTE))
    expected = hashlib.sha256(file.read_bytes()).digest()
    assert first
    asking = Asking(lanes, file)
    while not stopped_at(first, file, LANES):
        assert asking.end() == dict.fromkeys(range(LANES), expected)
        asking = Asking(lanes, file)
    os.kill(first, signal.SIGKILL)
    assert asking.end() == dict.fromkeys(range(LANES), expected)
    no_reading(monkeypatch)
    assert hashed(lanes, file) == expected
    assert lanes.pid != first


def test_who_kills_it_again_and_again_has_the_file_read(
    lanes: Lanes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, killed, asked = tmp_path / "file", set[int](), lanes._asked
    file.write_bytes(os.urandom(MEGABYTE))

    def killing(*question: Any) -> bytes:
        """It cannot answer before it is killed."""
        assert lanes.pid
        freeze(lanes.pid)
        killed.add(lanes.pid)
        killer = threading.Timer(0.05, os.kill, (lanes.pid, signal.SIGKILL))
        killer.start()
        answer = asked(*question)
        killer.join()
        return answer

    monkeypatch.setattr(lanes, "_asked", killing)
    assert hashed(lanes, file) == hashlib.sha256(file.read_bytes()).digest()
    assert len(killed) > 1


def test_who_stops_it_holds_up_nothing(lanes: Lanes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, first = tmp_path / "file", lanes.pid
    file.write_bytes(os.urandom(MEGABYTE))
    assert hashed(lanes, file)
    assert first
    for lane in lanes._lanes:
        lane.settimeout(0.1)
    freeze(first)
    assert hashed(lanes, file) == hashlib.sha256(file.read_bytes()).digest()
    no_reading(monkeypatch)
    assert hashed(lanes, file)
    assert lanes.pid != first


def test_a_file_that_is_cut_meanwhile_ends_it_at_most(lanes: Lanes, tmp_path: Path) -> None:
    file = tmp_path / "file"
    for _ in range(5):
        with file.open("wb") as out:
            out.truncate(160 * MEGABYTE)
        assert hashed(lanes, file)
        for lane in lanes._lanes:
            lane.settimeout(60)  # However long it stands still here: it is not replaced before the file is cut.
        pid, asking = lanes.pid, Asking(lanes, file, 1)
        assert pid
        while not stopped_at(pid, file, 1):
            assert asking.end()[0]
            asking = Asking(lanes, file, 1)
        os.truncate(file, 5)
        os.kill(pid, signal.SIGCONT)
        assert asking.end() == {0: None}
    assert hashed(lanes, file) == hashlib.sha256(bytes(5)).digest()


def test_it_ends_with_the_daemon(tmp_path: Path) -> None:
    one = begun(tmp_path)
    pid = one.pid
    assert pid
    for lane in one._lanes:
        lane.close()
    assert os.waitpid(pid, 0) == (pid, 0)
    one.close()


def test_nothing_is_hashed_after_the_end(tmp_path: Path) -> None:
    one = Lanes(LANES, hasher.IDLE)
    one.close()
    (tmp_path / "file").write_bytes(b"x")
    assert hashed(one, tmp_path / "file") is None
    assert one.pid is None
