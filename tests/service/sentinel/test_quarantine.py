"""Quarantine of real containers, in a real engine: what is done to them, and how it is given back."""

import pytest

from service.sentinel.quarantine import QuarantineError
from tests.service.sentinel.engine import NEEDED, Engine, until
from tests.service.sentinel.hands import Host, change, networks, paused

pytestmark = NEEDED
TICKS = "while :; do echo x >> /tmp/ticks; sleep 0.05; done"


def test_a_changed_container_is_paused_behind_a_shut_door(engine: Engine, host: Host) -> None:
    name = engine.container("vision", script=TICKS)
    policy = engine.inspected(name)["HostConfig"]["RestartPolicy"]
    host.hands.react(host.planted(name), "pause")
    assert host.shut()
    assert not host.shut("gate")
    until(lambda: paused(engine, name), "the pause")
    shown = host.only()
    assert (shown["container"], shown["component"], shown["because"]) == (name, "vision", "created: /app/shell.py")
    until(lambda: host.noted.events() == [("quarantined", "pending"), ("quarantined", "in force")], "the lines")
    assert {line["severity"] for line in host.noted.lines} == {"critical"}
    told = host.hands.release(shown["id"], "alice", "looked at")
    assert (told["state"], told["released"]["by"], told["said"]) == ("released", "alice", "")
    assert not paused(engine, name)
    assert engine.inspected(name)["HostConfig"]["RestartPolicy"] == policy
    assert not host.shut()
    assert host.noted.lines[-1]["event"] == "released"
    assert host.noted.lines[-1]["reason"] == "looked at"


def test_an_isolated_container_has_no_network_and_gets_its_addresses_back(
    engine: Engine, host: Host, network: str
) -> None:
    name = engine.container("vision", f"--network={network}", "--ip=10.213.77.77", "--network-alias=model")
    before = networks(engine, name)
    host.hands.react(host.planted(name), "isolate")
    shown = host.only()
    assert networks(engine, name) == {}
    assert host.shut()
    assert not paused(engine, name)
    host.hands.release(shown["id"], "alice", "looked at")
    after = networks(engine, name)
    assert list(after) == [network]
    assert after[network]["IPAddress"] == before[network]["IPAddress"] == "10.213.77.77"
    assert "model" in after[network]["Aliases"]
    assert not host.shut()


def test_an_address_that_nobody_asked_for_comes_back_too(engine: Engine, host: Host, network: str) -> None:
    engine.container("gate", f"--network={network}")
    name = engine.container("vision", f"--network={network}")
    before = networks(engine, name)[network]["IPAddress"]
    host.hands.react(host.planted(name), "isolate")
    host.hands.release(host.only()["id"], "alice", "looked at")
    assert networks(engine, name)[network]["IPAddress"] == before


def test_an_address_that_somebody_else_has_by_now_is_said(engine: Engine, host: Host, network: str) -> None:
    name = engine.container("vision", f"--network={network}", "--ip=10.213.77.77")
    host.hands.react(host.planted(name), "isolate")
    identity = host.only()["id"]
    engine.container("gate", f"--network={network}", "--ip=10.213.77.77")
    assert "gave it another address" in host.hands.release(identity, "alice", "looked at")["said"]
    assert networks(engine, name)[network]["IPAddress"].startswith("10.213.77.")


def test_without_a_network_isolation_is_the_door(engine: Engine, host: Host) -> None:
    name = engine.container("gate", "--network=none")
    host.hands.react(host.planted(name), "isolate")
    identity = host.only()["id"]
    assert host.shut("gate")
    assert list(networks(engine, name)) == ["none"]
    host.hands.release(identity, "alice", "looked at")
    assert list(networks(engine, name)) == ["none"]


def test_a_change_of_the_host_holds_every_container_of_ours_and_no_other(engine: Engine, host: Host) -> None:
    names = [engine.container("vision"), engine.container("gate")]
    engine.run("run", "-d", "--name", "hands-test-other", "hands-test-shell", "sleep", "1000")
    host.containers.look()
    host.hands.react(change(b"/etc/ld.so.preload"), "pause")
    until(lambda: all(paused(engine, name) for name in names), "the pauses")
    assert not paused(engine, "hands-test-other")
    assert host.shut("vision")
    assert host.shut("gate")


def test_an_alert_alone_touches_nothing(engine: Engine, host: Host) -> None:
    name = engine.container("vision")
    host.hands.react(host.planted(name), "alert")
    assert host.hands.list() == []
    assert not host.shut()


def test_a_pause_is_more_than_an_isolation(engine: Engine, host: Host, network: str) -> None:
    name = engine.container("vision", f"--network={network}")
    host.hands.react(host.planted(name), "isolate")
    host.only()
    host.hands.react(host.planted(name), "pause")
    until(lambda: paused(engine, name), "the pause")
    host.hands.react(host.planted(name), "isolate")
    host.hands.release(host.only()["id"], "alice", "looked at")
    assert not paused(engine, name)
    assert list(networks(engine, name)) == [network]


def test_a_release_needs_who_why_and_what(engine: Engine, host: Host) -> None:
    with pytest.raises(QuarantineError, match="needs who does it and why"):
        host.hands.release("20261123-070000-4f2a", "alice", " ")
    with pytest.raises(QuarantineError, match="there is no quarantine 'x'; next: casemate quarantine list INVENTORY"):
        host.hands.release("x", "alice", "y")


def test_after_a_release_the_next_change_is_a_new_quarantine(engine: Engine, host: Host) -> None:
    name = engine.container("vision")
    host.hands.react(host.planted(name), "pause")
    host.hands.release(host.only()["id"], "alice", "looked at")
    host.hands.react(host.planted(name, "/app/other"), "pause")
    until(lambda: [one["state"] for one in host.hands.list()] == ["released", "in force"], "the second")


def test_a_container_in_the_host_s_network_is_paused(engine: Engine, host: Host) -> None:
    name = engine.container("vision", "--network=host")
    host.hands.react(host.planted(name), "isolate")
    until(lambda: paused(engine, name), "the pause")
