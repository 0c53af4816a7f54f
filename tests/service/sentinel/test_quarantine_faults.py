"""A quarantine holds though Docker, the sentinel, the container or somebody's hands do not."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.sentinel.configuration import Configuration
from service.sentinel.containers import Containers
from service.sentinel.docker import DockerError
from service.sentinel.maintenance import Maintenance
from service.sentinel.quarantine import Quarantine, QuarantineError
from tests.freezing import freeze
from tests.service.sentinel.engine import NEEDED, Engine, until
from tests.service.sentinel.hands import Host, Noted, change, networks, paused

pytestmark = NEEDED


def test_a_change_of_the_host_is_answered_though_containers_are_not_watched(engine: Engine, tmp_path: Path) -> None:
    """Nobody started to look at them, then."""
    name = engine.container("vision")
    unwatched = Containers(Configuration(sets=()), engine.socket)
    hands = Quarantine(unwatched, Noted(), tmp_path / "quarantine", Maintenance(tmp_path / "maintenance"))
    hands.start()
    hands.react(change(b"/etc/ld.so.preload"), "pause")
    until(lambda: paused(engine, name), "the pause")
    hands.close()


@pytest.mark.parametrize("undo", ["unpause", "maintenance", "record"])
def test_what_somebody_undoes_by_hand_is_done_again(
    engine: Engine, host: Host, undo: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.sentinel.quarantine._LOOK", 0.1)
    name = engine.container("vision")
    host.hands.react(host.planted(name), "pause")
    shown = host.only()
    record = Path(shown["directory"]) / "record.json"
    if undo == "unpause":
        engine.run("unpause", name)
        until(lambda: paused(engine, name), "the pause")
        until(lambda: host.noted.lines[-1].get("said") == "somebody had undone it; done again", "the line")
    elif undo == "maintenance":
        (host.root / "maintenance" / "vision").unlink()
        until(host.shut, "the shut door")
    else:
        record.unlink()
        until(record.exists, "the record")


def test_a_restart_of_the_sentinel_forgets_nothing(engine: Engine, host: Host) -> None:
    name = engine.container("vision")
    host.hands.react(host.planted(name), "pause")
    before = host.only()
    host.end()
    (host.root / "maintenance" / "vision").unlink()
    engine.run("unpause", name)
    host.begin()
    until(lambda: paused(engine, name) and host.shut(), "the quarantine")
    assert host.only()["id"] == before["id"]
    host.hands.release(before["id"], "alice", "looked at")
    host.end()
    host.begin()
    assert host.hands.list()[0]["state"] == "released"
    assert not host.shut()
    assert not paused(engine, name)


def test_while_the_engine_is_frozen_the_door_is_shut_and_the_pause_comes_later(
    engine: Engine, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = engine.container("vision")
    found = host.planted(name)
    docker, askers = host.containers.docker, set[threading.Thread]()
    ask = docker._ask

    def noted(*request: Any) -> Any:
        askers.add(threading.current_thread())
        return ask(*request)

    monkeypatch.setattr(docker, "_timeout", 0.3)
    monkeypatch.setattr(docker, "_ask", noted)
    assert engine.daemon
    freeze(engine.daemon.pid)
    host.hands.react(found, "pause")
    assert threading.current_thread() not in askers, "who reacts waits for no engine"
    assert host.shut()
    until(lambda: "did not answer" in host.hands.list()[0]["said"], "the sentence")
    assert askers
    until(lambda: host.hands.list()[0]["evidence"]["files"] == 1, "the file, for which no engine is needed")
    with pytest.raises(QuarantineError, match="is still in force: the Docker engine did not answer"):
        host.hands.release(host.hands.list()[0]["id"], "alice", "looked at")
    assert host.shut()
    engine.daemon.send_signal(signal.SIGCONT)
    until(lambda: paused(engine, name), "the pause")
    assert host.only()["said"] == ""


@pytest.mark.parametrize("component", [None, "vision"])
def test_a_sentinel_that_never_saw_the_engine_shuts_every_door_it_must(
    engine: Engine, tmp_path: Path, component: str | None
) -> None:
    names = [engine.container("vision"), engine.container("gate")]
    engine.stop()
    host = Host(tmp_path, engine)
    try:
        host.hands.react(change(b"/x", names[0] if component else None, "/x" if component else None), "pause")
        assert host.shut("vision")
        assert host.shut("gate") == (component is None)
        engine.start()
        wanted = names[:1] if component else names
        until(lambda: all(paused(engine, name) for name in wanted), "the pauses")
        until(
            lambda: {one["container"] for one in host.hands.list() if one["state"] == "in force"} == set(wanted), "each"
        )
        for one in host.hands.list():
            host.hands.release(one["id"], "alice", "looked at")
        assert not host.shut("vision")
        assert not host.shut("gate")
    finally:
        host.end()


@pytest.mark.parametrize("reaction", ["pause", "isolate"])
def test_a_restart_of_docker_undoes_nothing(engine: Engine, host: Host, network: str, reaction: Any) -> None:
    """Even one that ends the containers: the engine would start them again, with their networks."""
    name = engine.container("vision", f"--network={network}", "--restart=unless-stopped")
    host.hands.react(host.planted(name), reaction)
    identity = host.only()["id"]
    engine.stop()
    engine.start()
    assert paused(engine, name) == (reaction == "pause")
    os.kill(engine.inspected(name)["State"]["Pid"], signal.SIGKILL)
    if reaction == "isolate":  # what is paused ends only when it goes on
        until(lambda: not engine.inspected(name)["State"]["Running"], "the end")
    engine.stop()
    engine.start()
    state = engine.inspected(name)["State"]
    assert state["Paused"] or not state["Running"]
    assert host.shut()
    host.hands.release(identity, "alice", "looked at")
    assert engine.inspected(name)["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert network in networks(engine, name)


def test_a_container_that_vanished_is_released_all_the_same(engine: Engine, host: Host) -> None:
    name = engine.container("vision")
    host.hands.react(host.planted(name), "pause")
    identity = host.only()["id"]
    engine.run("rm", "-f", name)
    assert host.shut()
    told = host.hands.release(identity, "alice", "looked at")
    assert told["said"].startswith("the container is gone")
    assert not host.shut()
    assert host.hands.release(identity, "bob", "again") == told


def test_a_container_that_is_gone_before_the_reaction(engine: Engine, host: Host) -> None:
    host.hands.react(change(b"/gone", "casemate-vision-000000000000", "/gone"), "pause")
    assert host.shut()
    assert host.only()["said"].startswith("the container is gone")


def test_a_container_that_stops_by_itself_is_not_paused_but_held(engine: Engine, host: Host) -> None:
    name = engine.container("vision", "--restart=on-failure:5", "--network=none", script="sleep 0.2")
    found = host.planted(name)
    until(lambda: not engine.inspected(name)["State"]["Running"], "the end")
    host.hands.react(found, "pause")
    assert host.only()["said"] == "the container does not run"
    assert engine.inspected(name)["HostConfig"]["RestartPolicy"]["Name"] == "no"


def test_a_refusal_of_the_engine_is_tried_again(engine: Engine, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    name = engine.container("vision")
    pause: Callable[[str], None] = host.containers.docker.pause
    tries = []

    def refusing(one: str) -> None:
        tries.append(one)
        if len(tries) < 3:
            raise DockerError("the Docker engine refused: told to", 500)
        pause(one)

    monkeypatch.setattr(host.containers.docker, "pause", refusing)
    host.hands.react(host.planted(name), "pause")
    until(lambda: paused(engine, name), "the pause")
    assert len(tries) == 3
