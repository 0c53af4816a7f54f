"""Quarantine of real containers, in a real engine that is stopped, frozen and restarted here."""

import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from service.sentinel import dossier
from service.sentinel.change import Change
from service.sentinel.configuration import Configuration
from service.sentinel.configuration import Containers as Watched
from service.sentinel.containers import Containers
from service.sentinel.docker import DockerError
from service.sentinel.maintenance import Maintenance
from service.sentinel.quarantine import Quarantine, QuarantineError
from tests.service.sentinel.engine import Engine, new_engine, until

pytestmark = [
    pytest.mark.skipif(os.getuid() != 0 or not shutil.which("dockerd"), reason="needs root and dockerd"),
    pytest.mark.long,
]
TICKS = "while :; do echo x >> /tmp/ticks; sleep 0.05; done"


class Noted:
    """A recorder that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def note(self, event: str, severity: Any = None, **fields: Any) -> None:
        """One line, as JSON makes it."""
        self.lines.append(json.loads(json.dumps({"event": event, "severity": severity, **fields})))

    def events(self) -> list[tuple[str, str]]:
        return [(line["event"], line["state"]) for line in self.lines]


class Host:
    """A host's directories, and a sentinel's hands that may be started anew."""

    def __init__(self, root: Path, engine: Engine) -> None:
        self.root, self.engine = root, engine
        self.noted = Noted()
        self.alerts = root / "alerts.jsonl"
        self.alerts.write_text('{"seq":0,"event":"alert"}\n')
        self.begin()

    def begin(self) -> None:
        self.containers = Containers(Configuration(sets=(), containers=Watched()), self.engine.socket)
        self.containers.start()
        maintenance = Maintenance(self.root / "maintenance")
        self.hands = Quarantine(self.containers, self.noted, self.root / "quarantine", maintenance, self.alerts)
        self.hands.start()

    def end(self) -> None:
        self.hands.close()
        self.containers.close()

    def shut(self, component: str = "vision") -> bool:
        return (self.root / "maintenance" / component).exists()

    def planted(self, name: str, inside: str = "/app/shell.py", content: bytes = b"evil") -> Change:
        """Write into a container's upper directory, as whoever owns the host can."""
        self.containers.look()
        layers = self.containers.found()[name].layers
        assert layers
        path = os.fsdecode(layers.upper) + inside
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).write_bytes(content)
        return change(os.fsencode(path), name, inside)

    def only(self, state: str = "in force") -> dict[str, Any]:
        """Wait until the one quarantine is in this state and has its files."""
        until(lambda: [one["state"] for one in self.hands.list()] == [state], state)
        return self.hands.list()[0]


def change(path: bytes, container: str | None = None, inside: str | None = None) -> Change:
    where = None if inside is None else inside.encode()
    return Change(path, "containers", "created", None, None, time.time(), "event", container, where)


def paused(engine: Engine, name: str) -> bool:
    return bool(engine.inspected(name)["State"]["Paused"])


def networks(engine: Engine, name: str) -> dict[str, Any]:
    found: dict[str, Any] = engine.inspected(name)["NetworkSettings"]["Networks"]
    return found


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    with new_engine("--live-restore") as made:
        yield made


@pytest.fixture
def engine(shared: Engine) -> Iterator[Engine]:
    yield shared
    if shared.daemon is None:
        shared.start()
    shared.clear()


@pytest.fixture
def host(engine: Engine, tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path, engine)
    yield made
    made.end()


@pytest.fixture
def network(engine: Engine) -> str:
    engine.run("network", "create", "--internal", "--subnet=10.213.77.0/24", "hands-test-network")
    return "hands-test-network"


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


def test_one_reaction_a_container_and_every_file_as_evidence(engine: Engine, host: Host) -> None:
    name = engine.container("vision")
    for number in range(20):
        host.hands.react(host.planted(name, f"/app/{number}", b"%d" % number), "pause")
    shown = host.only()
    until(lambda: host.hands.list()[0]["evidence"]["files"] == 20, "the evidence")
    place = Path(shown["directory"])
    assert {(place / "files" / f"{number:04d}").read_bytes() for number in range(1, 21)} == {
        b"%d" % n for n in range(20)
    }
    assert len([line for line in host.noted.lines if line["state"] == "in force"]) == 1


def test_the_evidence_is_root_s_alone_and_tells_what_there_was(engine: Engine, host: Host, network: str) -> None:
    name = engine.container("vision", f"--network={network}", script="sleep 987")
    host.hands.react(host.planted(name), "isolate")
    place = Path(host.only()["directory"])
    until((place / "files" / "0001.json").exists, "the files")
    for directory in (place.parent, place, place / "files"):
        assert directory.stat().st_mode & 0o777 == 0o700
    read = {path.name: path.read_text() for path in place.iterdir() if path.is_file()}
    assert json.loads(read["inspect.json"])["Name"] == f"/{name}"
    assert any("sleep 987" in row[-1] for row in json.loads(read["processes.json"])["Processes"])
    told = json.loads(read["network.json"])
    assert told["before"][network]["IPAMConfig"]["IPv4Address"]
    assert "local_address" in told["kernel"]["tcp"]
    assert read["alerts.jsonl"] == host.alerts.read_text()
    assert json.loads(read["record.json"])["container"] == name
    assert json.loads((place / "files" / "0001.json").read_text())["copy"]["whole"]


def test_a_change_on_the_merged_path_is_copied_from_where_it_lies(engine: Engine, host: Host) -> None:
    name = engine.container("vision")
    host.planted(name)
    layers = host.containers.found()[name].layers
    assert layers
    assert layers.merged
    host.hands.react(change(layers.merged + b"/app/shell.py", name, "/app/shell.py"), "pause")
    shown = host.only()
    until(lambda: (Path(shown["directory"]) / "files" / "0001.json").exists(), "the files")
    assert (Path(shown["directory"]) / "files" / "0001").read_bytes() == b"evil"


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
    monkeypatch.setattr(host.containers.docker, "_timeout", 0.3)
    assert engine.daemon
    engine.daemon.send_signal(signal.SIGSTOP)
    began = time.monotonic()
    host.hands.react(found, "pause")
    assert time.monotonic() - began < 0.3
    assert host.shut()
    until(lambda: "did not answer" in host.hands.list()[0]["said"], "the sentence")
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


def test_a_release_needs_who_why_and_what(engine: Engine, host: Host) -> None:
    with pytest.raises(QuarantineError, match="needs who does it and why"):
        host.hands.release("20261123-070000-4f2a", "alice", " ")
    with pytest.raises(QuarantineError, match="there is no quarantine 'x'; next: casemate-sentinel quarantine list"):
        host.hands.release("x", "alice", "y")


def test_after_a_release_the_next_change_is_a_new_quarantine(engine: Engine, host: Host) -> None:
    name = engine.container("vision")
    host.hands.react(host.planted(name), "pause")
    host.hands.release(host.only()["id"], "alice", "looked at")
    host.hands.react(host.planted(name, "/app/other"), "pause")
    until(lambda: [one["state"] for one in host.hands.list()] == ["released", "in force"], "the second")


def test_evidence_that_does_not_fit_is_refused_and_nothing_gives_way(
    engine: Engine, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = engine.container("vision")
    host.hands.react(host.planted(name), "pause")
    first = Path(host.only()["directory"])
    until((first / "files" / "0001.json").exists, "the files")
    kept = {path: path.read_bytes() for path in first.rglob("*") if path.is_file() and path.name != "record.json"}
    host.hands.release(first.name, "alice", "looked at")
    monkeypatch.setattr(dossier, "MOST", 1)
    host.hands.react(host.planted(name), "pause")
    until(lambda: host.noted.lines[-1]["event"] == "evidence_refused", "the refusal")
    assert "no room for" in host.noted.lines[-1]["why"]
    assert paused(engine, name)
    assert {path: path.read_bytes() for path in kept} == kept
    assert host.hands.list()[1]["evidence"]["refused"]


def test_a_storm_is_bounded(engine: Engine, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    name = engine.container("vision")
    found = host.planted(name)
    for _ in range(5000):
        host.hands.react(found, "pause")
    shown = host.only()
    until(lambda: bool(host.hands.list()[0]["evidence"]["refused"]), "the refusal")
    assert "more than 100 files" in host.hands.list()[0]["evidence"]["refused"]
    assert len(list((Path(shown["directory"]) / "files").glob("*.json"))) == 100


def test_a_full_disk_stops_no_reaction(engine: Engine, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    name = engine.container("vision")
    found = host.planted(name)
    (host.root / "quarantine").write_text("a file where the directory should be: nothing can be written")
    host.hands.react(found, "pause")
    assert host.shut()
    until(lambda: paused(engine, name), "the pause")
    until(lambda: "no record could be written" in host.hands.list()[0]["said"], "the sentence")


def test_a_record_that_cannot_be_read_is_told_and_opens_nothing(engine: Engine, host: Host) -> None:
    name = engine.container("vision")
    host.hands.react(host.planted(name), "pause")
    shown = host.only()
    host.end()
    (Path(shown["directory"]) / "record.json").write_text("{")
    host.begin()
    assert host.hands.list()[0]["state"] == "unreadable"
    with pytest.raises(QuarantineError, match="cannot be read"):
        host.hands.release(shown["id"], "alice", "looked at")
    assert host.shut()
    assert paused(engine, name)


def test_a_container_that_stops_by_itself_is_not_paused_but_held(engine: Engine, host: Host) -> None:
    name = engine.container("vision", "--restart=on-failure:5", "--network=none", script="sleep 0.2")
    found = host.planted(name)
    until(lambda: not engine.inspected(name)["State"]["Running"], "the end")
    host.hands.react(found, "pause")
    assert host.only()["said"] == "the container does not run"
    assert engine.inspected(name)["HostConfig"]["RestartPolicy"]["Name"] == "no"


def test_a_container_in_the_host_s_network_is_paused(engine: Engine, host: Host) -> None:
    name = engine.container("vision", "--network=host")
    host.hands.react(host.planted(name), "isolate")
    until(lambda: paused(engine, name), "the pause")


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
