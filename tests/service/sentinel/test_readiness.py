"""What systemd hears, on a real datagram socket."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.sentinel.readiness import Readiness


@pytest.fixture(params=["path", "abstract"])
def systemd(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, str]]:
    address = str(tmp_path / "notify") if request.param == "path" else f"@casemate-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(address.replace("@", "\0"))
        listener.settimeout(5)
        yield listener, address


def test_each_state_is_told(systemd: tuple[socket.socket, str]) -> None:
    listener, address = systemd
    readiness = Readiness({"NOTIFY_SOCKET": address})
    readiness.ready("fanotify, 12 roots")
    readiness.status("swept")
    readiness.alive()
    readiness.stopping()
    assert [listener.recv(4096) for _ in range(4)] == [
        b"READY=1\nSTATUS=fanotify, 12 roots",
        b"STATUS=swept",
        b"WATCHDOG=1",
        b"STOPPING=1\nSTATUS=Stopping",
    ]


def test_a_status_cannot_become_another_assignment(systemd: tuple[socket.socket, str]) -> None:
    listener, address = systemd
    Readiness({"NOTIFY_SOCKET": address}).status("/etc/x\nMAINPID=1\x1b[2J\udc80")
    assert listener.recv(4096).count(b"\n") == 0


@pytest.mark.parametrize("environment", [{}, {"NOTIFY_SOCKET": ""}, {"NOTIFY_SOCKET": "/nowhere/notify"}])
def test_without_systemd_nothing_happens(environment: dict[str, str]) -> None:
    Readiness(environment).ready("x")


@pytest.mark.parametrize(
    ("environment", "every"),
    [
        ({}, None),
        ({"WATCHDOG_USEC": "30000000"}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 10.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
    ],
)
def test_the_watchdog_is_fed_three_times_in_its_time(environment: dict[str, str], every: "float | None") -> None:
    assert Readiness(environment).every == every
