"""What is kept of a quarantine: whole, bounded, and root's alone."""

import json
from pathlib import Path

import pytest

from service.sentinel import dossier
from service.sentinel.quarantine import QuarantineError
from tests.service.sentinel.engine import NEEDED, Engine, until
from tests.service.sentinel.hands import Host, change, paused

pytestmark = NEEDED


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


def test_evidence_that_does_not_fit_is_refused_and_nothing_gives_way(
    engine: Engine, host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = engine.container("vision")
    host.hands.react(host.planted(name), "pause")
    first = Path(host.only()["directory"])
    until((first / "files" / "0001.json").exists, "the files")
    kept = {
        path: path.read_bytes() for path in (first / "inspect.json", first / "files/0001", first / "files/0001.json")
    }
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
