"""The attempts, against things of this machine that are there and things that are not."""

import os
import socket
from pathlib import Path

import pytest

from deploy.facts.probes import canary, reach
from deploy.facts.probes.attempt import write
from deploy.facts.probes.dns import framed, reply
from deploy.facts.probes.reach import resolve, routes, tcp
from deploy.facts.probes.syscalls import ATTEMPTS, in_child, syscalls
from tests.ports import held_ports


def test_an_open_port_is_reached_and_so_is_one_that_refuses() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address, port = listening.getsockname()
        with held_ports(1) as [closed]:
            found = tcp({"open": (address, port), "closed": (address, closed), "nobody": None}, 20.0)
    assert found["open"] == {"reached": True, "how": "open"}
    assert found["closed"] == {"reached": True, "how": "ECONNREFUSED"}, "what was sent did arrive"
    assert found["nobody"] == {"reached": False, "how": "there is none"}


def test_no_answer_is_not_reached() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        place = full.getsockname()
        held = [socket.socket() for _ in range(8)]
        for connection in held:
            connection.setblocking(False)
            connection.connect_ex(place)
        found = tcp({"full": place}, 0.2)
        for connection in held:
            connection.close()
    assert found["full"] == {"reached": False, "how": "no answer"}


def test_a_name_is_resolved_by_udp_and_by_tcp(monkeypatch: pytest.MonkeyPatch) -> None:
    free = canary.tcp("127.0.0.1", 0, lambda query: framed(reply(query[2:])))
    canary.udp("127.0.0.1", free, reply)
    monkeypatch.setattr(reach, "PORT", free)
    found = resolve(["127.0.0.1"], "abcd.casemate-probe.invalid", 20.0)
    assert found == {
        "127.0.0.1 by udp": {"reached": True, "how": "resolved"},
        "127.0.0.1 by tcp": {"reached": True, "how": "resolved"},
    }


def test_where_no_resolver_is_nothing_resolves(monkeypatch: pytest.MonkeyPatch) -> None:
    with held_ports(1) as [free]:
        monkeypatch.setattr(reach, "PORT", free)
        assert not any(outcome["reached"] for outcome in resolve(["127.0.0.1"], "abcd.invalid", 0.5).values())


def test_the_way_to_this_machine_is_a_route() -> None:
    assert routes(["127.0.0.1"])["127.0.0.1"]["reached"] is True
    assert routes(["255.255.255.255"])["255.255.255.255"]["reached"] is False


def test_a_file_that_could_be_written_is_gone_again(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    found = write([str(tmp_path), missing])
    assert found == {
        str(tmp_path): {"reached": True, "how": "written"},
        missing: {"reached": False, "how": "ENOENT"},
    }
    assert list(tmp_path.iterdir()) == []


def test_every_system_call_has_an_outcome_and_changes_nothing() -> None:
    found = syscalls()
    assert set(found) == set(ATTEMPTS)
    assert all(isinstance(outcome["reached"], bool) and outcome["how"] for outcome in found.values())
    assert "casemate-probe" not in Path("/proc/self/mountinfo").read_text()
    assert not list(Path("/tmp").glob(".casemate-probe-*"))


def test_an_attempt_that_is_killed_was_refused() -> None:
    def killed() -> int:
        os.kill(os.getpid(), 9)
        return 0

    assert in_child(killed) == 1
    assert in_child(lambda: 0) == 0
    assert in_child(lambda: 38) == 38
