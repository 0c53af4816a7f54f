"""All outlets together: each has its copy, none waits for another, a kill loses nothing."""

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from service.ledger import Ledger
from service.sentinel.configuration import Outlets
from service.sentinel.outlets.dispatch import Dispatch, receivers
from service.sentinel.outlets.message import Message
from tests.service.sentinel.receivers import told
from tests.service.sentinel.running import until


class Kept:
    """A receiver that keeps; `gate` makes it wait."""

    def __init__(self, name: str, gate: "threading.Event | None" = None, fault: "Exception | None" = None) -> None:
        self.name = name
        self.got: list[Message] = []
        self.gate = gate
        self.fault = fault

    def deliver(self, message: Message) -> None:
        if self.gate:
            self.gate.wait(30)
        if self.fault:
            raise self.fault
        self.got.append(message)

    def remind(self) -> None:
        """Nothing to remind of."""


def test_the_settings_choose_the_receivers(tmp_path: Path) -> None:
    every = Outlets(
        webhook={"url": "https://x.example/", "secret_file": "/s"},
        syslog={"host": "x.example", "port": 6514, "protocol": "tls", "ca_file": "/ca.pem"},
        alertmanager={"url": "https://x.example"},
    )
    assert [one.name for one in receivers(Outlets(), tmp_path, tmp_path)] == ["journald"]
    names = [one.name for one in receivers(every, tmp_path, tmp_path)]
    assert names == ["journald", "webhook", "syslog", "alertmanager"]


def test_a_hanging_outlet_keeps_no_other_waiting(tmp_path: Path) -> None:
    gate = threading.Event()
    slow, quick = Kept("slow", gate), Kept("quick")
    dispatch = Dispatch([slow, quick], tmp_path, 0.01, lambda *_: None)
    dispatch.start(tmp_path / "none")
    for n in range(50):
        dispatch.offer([told(n)])
    until(lambda: sum(one.count for one in quick.got) == 50)
    assert slow.got == []
    gate.set()
    until(lambda: sum(one.count for one in slow.got) == 50)
    dispatch.close()


def test_quiet_events_are_for_the_ledger_alone(tmp_path: Path) -> None:
    kept = Kept("kept")
    dispatch = Dispatch([kept], tmp_path, 0.01, lambda *_: None)
    dispatch.start(tmp_path / "none")
    dispatch.offer(
        [told(0, "heartbeat", None), told(1, "swept", None), told(2, "planned", None), told(3, "started", None)]
    )
    dispatch.close()
    assert [one.event for one in kept.got] == ["started"]
    assert json.loads((tmp_path / "cursor").read_text()) == {"seq": 3}


def test_an_outlet_is_not_told_of_its_own_trouble(tmp_path: Path) -> None:
    one, other = Kept("one"), Kept("other")
    dispatch = Dispatch([one, other], tmp_path, 0.01, lambda *_: None)
    dispatch.start(tmp_path / "none")
    dispatch.offer([told(0, "outlet_failing", None, outlet="one")])
    dispatch.close()
    assert (one.got, len(other.got)) == ([], 1)


def test_what_is_not_told_yet_when_it_closes_is_told_first_at_the_next_start(tmp_path: Path) -> None:
    dispatch = Dispatch([Kept("kept", fault=OSError("x"))], tmp_path, 30, lambda *_: None)
    dispatch.start(tmp_path / "none")
    dispatch.offer([told(n) for n in range(9)])
    dispatch.close()
    kept = Kept("kept")
    again = Dispatch([kept], tmp_path, 30, lambda *_: None)
    again.start(tmp_path / "none")
    until(lambda: sum(one.count for one in kept.got) == 9)
    again.close()


@pytest.mark.parametrize("lines", [3, 700, 5000])
def test_lines_that_a_killed_process_recorded_and_did_not_spool_are_read_from_the_ledger(
    tmp_path: Path, lines: int
) -> None:
    ledger = Ledger(tmp_path / "alerts.jsonl")
    ledger.append_all([_fields(n) for n in range(100)])
    (tmp_path / "cursor").write_text(json.dumps({"seq": 79}))
    ledger.append_all([_fields(n) for n in range(100, 100 + lines)])
    with (tmp_path / "alerts.jsonl").open("ab") as file:
        file.write(b'{"seq":1')
    kept = Kept("kept")
    dispatch = Dispatch([kept], tmp_path, 0.01, lambda *_: None)
    dispatch.start(tmp_path / "alerts.jsonl")
    until(lambda: sum(one.count for one in kept.got) >= 20 + lines)
    dispatch.close()
    assert sum(one.count for one in kept.got) == 20 + lines
    assert kept.got[0].first_seq == 80


def test_the_very_first_start_tells_nothing_old(tmp_path: Path) -> None:
    Ledger(tmp_path / "alerts.jsonl").append_all([_fields(n) for n in range(100)])
    kept = Kept("kept")
    dispatch = Dispatch([kept], tmp_path, 0.01, lambda *_: None)
    dispatch.start(tmp_path / "alerts.jsonl")
    dispatch.offer([told(100)])
    dispatch.close()
    assert [one.first_seq for one in kept.got] == [100]


def _fields(n: int) -> dict[str, Any]:
    return {"event": "alert", "severity": "high", "set": "etc", "what": "created", "path": f"/etc/{n}"}
