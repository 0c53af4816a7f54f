"""A bounded queue on disk that outlives its process, and its disk."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.sentinel.outlets.message import RANKS
from service.sentinel.outlets.spool import Spool
from tests.service.sentinel.receivers import message


def drain(spool: Spool) -> list[Any]:
    taken = []
    while one := spool.take():
        taken.append(one.first_seq)
        spool.done()
    return taken


def test_it_gives_back_in_order_what_an_earlier_process_took(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "webhook")
    for n in range(12):
        spool.put(message(n, severity=["low", "critical", None][n % 3]))
    assert (tmp_path / "webhook").stat().st_mode & 0o777 == 0o700
    again = Spool(tmp_path / "webhook")
    assert (again.depth, again.bytes) == (12, spool.bytes)
    again.put(message(12))
    assert drain(again) == list(range(13))
    assert (again.depth, again.bytes, again.dropped) == (0, 0, 0)
    assert list((tmp_path / "webhook").iterdir()) == []


def test_what_was_taken_stays_until_it_is_done(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.put(message(0))
    assert spool.take()
    assert spool.take()
    assert drain(Spool(tmp_path)) == [0]


def test_when_it_is_full_the_oldest_of_what_matters_least_goes(tmp_path: Path) -> None:
    spool = Spool(tmp_path, most=4)
    for n, severity in enumerate(["critical", None, "low", None, "high", "medium", "critical", None]):
        spool.put(message(n, severity=severity))
    assert drain(spool) == [0, 4, 5, 6]
    assert spool.dropped == 4


def test_bytes_are_bounded_too(tmp_path: Path) -> None:
    spool = Spool(tmp_path, most_bytes=20_000)
    for n in range(100):
        spool.put(message(n, path="x" * 900))
    assert spool.bytes <= 20_000
    assert spool.bytes == sum(path.stat().st_size for path in tmp_path.iterdir())
    assert spool.depth + spool.dropped == 100
    assert drain(spool)[-1] == 99


def test_what_is_being_sent_is_not_dropped(tmp_path: Path) -> None:
    spool = Spool(tmp_path, most=2)
    spool.put(message(0, severity=None))
    assert spool.take()
    for n in range(1, 4):
        spool.put(message(n, severity="low"))
    spool.done()
    assert drain(spool) == [3]


@pytest.mark.parametrize("spoil", [lambda path: path.write_bytes(b'{"host":'), lambda path: path.unlink()])
def test_a_damaged_message_is_counted_and_stops_nothing(tmp_path: Path, spoil: Any) -> None:
    spool = Spool(tmp_path)
    for n in range(3):
        spool.put(message(n))
    spoil(sorted(tmp_path.iterdir())[1])
    assert drain(spool) == [0, 2]
    assert spool.dropped == 1


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    for name in ("firing", "x-1.json", "000000000001-9.json", "000000000002-1.new", "1-2-3.json"):
        (tmp_path / name).write_bytes(b"{}")
    spool = Spool(tmp_path)
    spool.put(message(0))
    assert drain(spool) == [0]
    assert len(list(tmp_path.iterdir())) == 5


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    if os.geteuid():
        pytest.skip("needs root, to mount a small file system")
    place = tmp_path / "full"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


@pytest.mark.long
def test_on_a_full_disk_messages_wait_in_memory_which_is_bounded(full: Path) -> None:
    spool = Spool(full / "webhook")
    for n in range(100):
        spool.put(message(n, path="x" * 900))
    assert (spool.depth, spool.dropped) == (100, 0)
    assert len(list((full / "webhook").glob("*.json"))) < 5
    for n in range(100, 4000):
        spool.put(message(n, path="x" * 900))
    assert spool.dropped > 100
    assert drain(spool)[:100] == list(range(100))
    assert list((full / "webhook").iterdir()) == []


@given(
    severities=st.lists(st.sampled_from(list(RANKS)), max_size=30),
    most=st.integers(1, 8),
)
def test_nothing_goes_while_something_that_matters_less_stays(
    tmp_path_factory: pytest.TempPathFactory, severities: list[Any], most: int
) -> None:
    spool = Spool(tmp_path_factory.mktemp("spool"), most=most)
    for n, severity in enumerate(severities):
        spool.put(message(n, severity=severity))
    kept = drain(spool)
    assert kept == sorted(kept)
    assert len(kept) == min(most, len(severities))
    assert spool.dropped == len(severities) - len(kept)
    lowest = min((RANKS[severities[n]] for n in kept), default=0)
    assert all(RANKS[severities[n]] <= lowest for n in range(len(severities)) if n not in kept)
