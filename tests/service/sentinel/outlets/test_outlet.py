"""Patience: failing, hanging, refusing receivers, and what is said of them."""

import threading
import time
from pathlib import Path

import pytest

from service.sentinel.outlets.message import Message
from service.sentinel.outlets.outlet import LONGEST_PAUSE, Outlet, Refused
from service.sentinel.outlets.spool import Spool
from tests.service.sentinel.receivers import message
from tests.service.sentinel.running import until


class Picky:
    """A receiver that raises what `faults` says, one each try."""

    name = "picky"

    def __init__(self, *faults: "Exception | None") -> None:
        self.faults = list(faults)
        self.got: list[int | None] = []
        self.tries: list[float] = []
        self.reminders = 0

    def deliver(self, message: Message) -> None:
        self.tries.append(time.monotonic())
        fault = self.faults.pop(0) if self.faults else None
        if fault:
            raise fault
        self.got.append(message.first_seq)

    def remind(self) -> None:
        self.reminders += 1


Said = list[tuple[str, str, dict[str, object]]]


def outlet(receiver: Picky, place: Path, said: Said, most: int = 100) -> Outlet:
    return Outlet(receiver, Spool(place, most=most), lambda *what: said.append(what), first_pause=0.01)


def test_failures_are_tried_again_in_order_with_growing_pauses(tmp_path: Path) -> None:
    said: Said = []
    picky = Picky(OSError("no route"), KeyError("bug"), TimeoutError(), OSError("x"), None)
    one = outlet(picky, tmp_path, said)
    for n in range(3):
        one.put(message(n))
    one.start()
    until(lambda: one.spool.depth == 0)
    one.close(5)
    assert picky.got == [0, 1, 2]
    pauses = [later - earlier for earlier, later in zip(picky.tries[:5], picky.tries[1:5], strict=False)]
    assert [pause >= 0.005 * 2**n for n, pause in enumerate(pauses)] == [True] * 4
    assert [(what, name) for what, name, _ in said] == [("outlet_failing", "picky"), ("outlet_delivers", "picky")]
    assert said[0][2] == {"error": "no route"}
    condition = one.condition()
    assert (condition.delivered, condition.failures, condition.failing_since, condition.error) == (3, 4, None, None)


def test_pauses_end_at_five_minutes(tmp_path: Path) -> None:
    one = outlet(Picky(), tmp_path, [])
    one._in_a_row = 10_000
    assert all(LONGEST_PAUSE / 2 <= one._pause() <= LONGEST_PAUSE == 300 for _ in range(100))


def test_what_is_refused_three_times_makes_way_and_is_counted(tmp_path: Path) -> None:
    said: Said = []
    picky = Picky(Refused("400"), OSError("x"), Refused("400"), Refused("400"), Refused("again"), None)
    one = outlet(picky, tmp_path, said)
    for n in range(2):
        one.put(message(n))
    one.start()
    until(lambda: picky.got == [1])
    one.close(5)
    assert one.condition().dropped == 1
    assert ("outlet_dropped", "picky", {"messages": 1}) in said


def test_what_the_spool_drops_is_said(tmp_path: Path) -> None:
    said: Said = []
    one = outlet(Picky(OSError("x"), OSError("x")), tmp_path, said, most=3)
    for n in range(10):
        one.put(message(n))
    one.start()
    until(lambda: one.spool.depth == 0)
    one.close(5)
    assert ("outlet_dropped", "picky", {"messages": 7}) in said


def test_a_receiver_is_reminded_even_while_small_talk_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("service.sentinel.outlets.outlet._REMIND", 0.2)
    picky = Picky()
    one = outlet(picky, tmp_path, [])
    one.start()
    end = time.monotonic() + 20
    while picky.reminders < 2 and time.monotonic() < end:
        one.put(message(0, "started", None))
        time.sleep(0.02)
    one.close(5)
    assert picky.reminders >= 2
    assert picky.got


def test_closing_waits_no_longer_than_told_and_keeps_the_rest(tmp_path: Path) -> None:
    release = threading.Event()

    class Hanging(Picky):
        def deliver(self, message: Message) -> None:
            release.wait(30)

    one = outlet(Hanging(), tmp_path, [])
    for n in range(3):
        one.put(message(n))
    one.start()
    until(lambda: one._thread.is_alive())
    start = time.monotonic()
    one.close(0.2)
    assert time.monotonic() - start < 5
    assert Spool(tmp_path).depth == 3
    release.set()


def test_closing_a_failing_one_does_not_sit_out_its_pause(tmp_path: Path) -> None:
    picky = Picky(*[OSError("x")] * 1000)
    one = Outlet(picky, Spool(tmp_path), lambda *_: None, first_pause=300)
    one.put(message(0))
    one.start()
    until(lambda: picky.tries)
    start = time.monotonic()
    one.close(20)
    assert time.monotonic() - start < 10
    assert not one._thread.is_alive()
