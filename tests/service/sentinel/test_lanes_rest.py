"""A process that hashes ends when nobody has needed it for a while, and nobody notices."""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.sentinel import content, hasher, lanes
from service.sentinel.lanes import Lanes
from tests.service.descriptors import held
from tests.service.sentinel.running import until

LANES, LONG = 3, 600.0
TEXT = b"x" * 1000
HASH = hashlib.sha256(TEXT).digest()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Open. It is hashed by a process or not at all, and by the first that is asked."""

    def never(*_: object) -> bytes:
        raise AssertionError("no process was lost")

    monkeypatch.setattr(content, "sha256", never)
    monkeypatch.setattr(lanes, "_REST", LONG)
    monkeypatch.setattr(Lanes, "_lost", never)
    (tmp_path / "file").write_bytes(TEXT)
    with (tmp_path / "file").open("rb") as opened:
        yield opened.fileno()


def rested(one: Lanes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rest is over, and the next one is long again."""
    monkeypatch.setattr(lanes, "_REST", 0.0)
    with one._turn:
        one._turn.notify_all()
    until(lambda: one.pid is None and not resting())
    monkeypatch.setattr(lanes, "_REST", LONG)


def reaped(pid: int) -> bool:
    """A process that is slow to die, as one that gives way to everybody may be, is reaped when the next is started."""
    subprocess.run(["true"], check=True)
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return True
    return False


def resting() -> bool:
    return any(thread.name == "rest" for thread in threading.enumerate())


def test_it_ends_after_a_rest_and_another_one_hashes_the_next_file(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one, pids = Lanes(LANES, hasher.LAST), list[int]()
    for _ in range(2):
        assert one.sha256(0, file, len(TEXT)) == HASH
        assert one.pid
        pids.append(one.pid)
        rested(one, monkeypatch)
    until(lambda: all(map(reaped, pids)))
    one.close()


class Clock:
    """In the place of the module `time`."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.mark.long
def test_it_does_not_end_while_it_is_asked_again_and_again_or_at_a_long_file(
    file: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(lanes, "time", clock)
    one = Lanes(LANES, hasher.LAST)
    one.sha256(0, file, len(TEXT))
    first = one.pid
    assert first
    for _ in range(20):
        clock.now += 0.9 * LONG
        with one._turn:
            one._turn.notify_all()
        time.sleep(0.02)  # It may end now, and must not.
        assert one.sha256(0, file, len(TEXT)) == HASH
    assert one.pid == first
    clock.now += LONG
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
    until(lambda: one.pid is None and not resting(), 60)
    assert len(pids) >= processes, "one after the other has ended meanwhile"
    until(lambda: all(map(reaped, pids)))
    assert not held() - before
    one.close()


def test_one_that_is_killed_while_it_rests_is_no_zombie_for_ever(file: int, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Lanes(LANES, hasher.IDLE)
    one.sha256(0, file, len(TEXT))
    pid = one.pid
    assert pid
    os.kill(pid, 9)
    rested(one, monkeypatch)
    until(lambda: reaped(pid))
    assert one.sha256(0, file, len(TEXT)) == HASH
    one.close()


@pytest.mark.parametrize("ended", [False, True])
def test_the_end_of_the_daemon_while_it_rests_or_after_it(
    file: int, ended: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = Lanes(LANES, hasher.IDLE)
    one.sha256(0, file, len(TEXT))
    pid = one.pid
    assert pid
    if ended:
        rested(one, monkeypatch)
    one.close()
    until(lambda: not resting(), LONG / 10)
    until(lambda: reaped(pid))
    assert one.sha256(0, file, len(TEXT)) is None
