"""A process that hashes ends when nobody has needed it for a while, and nobody notices."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.sentinel import content, hasher, lanes
from service.sentinel.lanes import Lanes
from tests.service.descriptors import held
from tests.service.sentinel.running import until

LANES = 3
TEXT = b"x" * 1000
HASH = hashlib.sha256(TEXT).digest()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Open. It is hashed by a process or not at all, and by the first that is asked."""

    def never(*_: object) -> bytes:
        raise AssertionError("no process was lost")

    monkeypatch.setattr(content, "sha256", never)
    monkeypatch.setattr(Lanes, "_lost", never)
    (tmp_path / "file").write_bytes(TEXT)
    with (tmp_path / "file").open("rb") as opened:
        yield opened.fileno()


def reaped(pid: int) -> bool:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def resting() -> bool:
    return any(thread.name == "rest" for thread in threading.enumerate())


def test_it_ends_after_a_rest_and_another_one_hashes_the_next_file(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_REST", 0.2)
    one, pids = Lanes(LANES, hasher.LAST), list[int]()
    for _ in range(2):
        assert one.sha256(0, file, len(TEXT)) == HASH
        assert one.pid
        pids.append(one.pid)
        until(lambda: one.pid is None)
        until(lambda: not resting())
    assert pids[0] != pids[1]
    assert all(map(reaped, pids))
    one.close()


@pytest.mark.long
def test_it_does_not_end_while_it_is_asked_again_and_again_or_at_a_long_file(
    file: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_REST", 0.2)
    one = Lanes(LANES, hasher.LAST)
    one.sha256(0, file, len(TEXT))
    first, end = one.pid, time.monotonic() + 1
    while time.monotonic() < end:
        assert one.sha256(0, file, len(TEXT)) == HASH
    assert one.pid == first
    monkeypatch.setattr(lanes, "_REST", 0.0)
    with (tmp_path / "long").open("w+b") as long:
        long.truncate(400 << 20)
        assert one.sha256(1, long.fileno(), 400 << 20)
    one.close()


def test_a_question_at_the_very_end_of_the_rest_is_answered(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rest, processes, end = 0.002, 5, time.monotonic() + 60
    monkeypatch.setattr(lanes, "_REST", rest)
    found, pids, before = list[bytes | None](), set[int](), held()
    again: list[bool] = []
    one = Lanes(LANES, hasher.LAST)
    together = threading.Barrier(LANES, lambda: again.append(len(pids) < processes and time.monotonic() < end))

    def ask(lane: int) -> None:
        while together.wait(60) >= 0 and again[-1]:
            time.sleep(random.uniform(0.8, 1.2) * rest)
            found.append(one.sha256(lane, file, len(TEXT)))
            pids.update(pid for pid in (one.pid,) if pid)

    asking = [threading.Thread(target=ask, args=(lane,)) for lane in range(LANES)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join(60)
    assert set(found) == {HASH}
    assert len(found) == LANES * (len(again) - 1)
    until(lambda: one.pid is None and not resting())
    assert len(pids) >= processes, "one after the other has ended meanwhile"
    assert all(map(reaped, pids))
    assert not held() - before
    one.close()


def test_one_that_is_killed_while_it_rests_is_no_zombie_for_ever(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "_REST", 0.5)
    one = Lanes(LANES, hasher.IDLE)
    one.sha256(0, file, len(TEXT))
    pid = one.pid
    assert pid
    os.kill(pid, 9)
    until(lambda: reaped(pid))
    assert one.sha256(0, file, len(TEXT)) == HASH
    one.close()


@pytest.mark.parametrize("ended", [False, True])
def test_the_end_of_the_daemon_while_it_rests_or_after_it(
    file: int, ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_REST", 0.1 if ended else 60.0)
    one = Lanes(LANES, hasher.IDLE)
    one.sha256(0, file, len(TEXT))
    pid = one.pid
    assert pid
    if ended:
        until(lambda: one.pid is None)
    began = time.monotonic()
    one.close()
    until(lambda: not resting())
    assert time.monotonic() - began < 1
    assert reaped(pid)
    assert one.sha256(0, file, len(TEXT)) is None
