"""State, baseline and deploy windows of the real daemon, in the hands of whoever edits them."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.sentinel.control import ControlError
from tests.service.sentinel.running import Sentinel, until

pytestmark = pytest.mark.long


@pytest.fixture
def started(sentinel: Sentinel) -> Sentinel:
    """With a baseline that the operator has signed."""
    for number in range(5):
        (sentinel.watched / f"file{number}").write_text(str(number))
    sentinel.start()
    _sign(sentinel)
    return sentinel


def _sign(sentinel: Sentinel) -> dict[str, Any]:
    document = base64.b64decode(sentinel.ask("baseline show")["document"])
    signature = sentinel.signed(document, "casemate-baseline-v1")["signature"]
    return sentinel.ask("baseline sign", signature=signature)


def test_the_baseline_is_what_lies_there_and_is_signed(started: Sentinel) -> None:
    shown = started.ask("baseline show")
    assert shown["baseline"]["signed"]
    assert shown["deviating"] == 0
    lines = gzip.decompress(base64.b64decode(started.ask("baseline export")["content"]))
    assert hashlib.sha256(lines).hexdigest() == shown["baseline"]["sha256"]
    header, *entries = [json.loads(line) for line in lines.splitlines()]
    assert header["sequence"] == 1
    assert {Path(one["path"]).name for one in entries} == {"web", *(f"file{number}" for number in range(5))}


def test_a_signature_of_another_key_or_for_another_use_is_refused(started: Sentinel, tmp_path: Path) -> None:
    document = base64.b64decode(started.ask("baseline show")["document"])
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "thief")], check=True)
    for made in (
        started.signed(document, "casemate-baseline-v1", tmp_path / "thief"),
        started.signed(document, "casemate-window-v1"),
        started.signed(document + b" ", "casemate-baseline-v1"),
    ):
        with pytest.raises(ControlError, match="stays unsigned"):
            started.ask("baseline sign", signature=made["signature"])


def test_what_is_accepted_needs_a_reason_and_is_a_new_baseline(started: Sentinel) -> None:
    changed, other = started.watched / "file1", started.watched / "file2"
    changed.write_text("mine")
    other.write_text("not mine")
    started.alerted(changed, "changed")
    started.alerted(other, "changed")
    assert {one["path"] for one in started.ask("baseline diff")["differences"]} == {str(changed), str(other)}
    with pytest.raises(ControlError, match="reason"):
        started.ask("baseline accept", paths=[str(changed)], reason=" ", by="olga")
    started.ask("baseline accept", paths=[str(changed)], reason="I did that", by="olga")
    line = started.wait(lambda one: one["event"] == "baseline_accepted")
    assert (line["reason"], line["by"], line["sequence"]) == ("I did that", "olga", 2)
    assert [one["path"] for one in started.ask("baseline diff")["differences"]] == [str(other)]
    assert (started.layout.state / "previous.sig").exists()
    _sign(started)
    assert not (started.layout.state / "previous.sig").exists()
    other.write_text("2")
    until(lambda: len(started.alerts(other)) == 2)
    assert started.ask("baseline diff")["differences"][0]["differs"] == ["mtime"]


@pytest.mark.parametrize("how", ["deleted", "damaged"])
def test_without_its_state_it_believes_the_signed_baseline(started: Sentinel, how: str) -> None:
    changed = started.watched / "file1"
    changed.write_text("mine")
    started.alerted(changed, "changed")
    started.stop()
    (started.watched / "planted").write_text("x")
    seen = len(started.lines())
    for file in started.layout.state.glob("state.db*"):
        file.unlink() if how == "deleted" else file.write_bytes(b"no database at all, but long enough to be one" * 99)
    started.start()
    assert started.wait(lambda line: line["event"] == "state_lost", seen)["severity"] == "critical"
    started.alerted(changed, "changed", seen)
    started.alerted(started.watched / "planted", "created", seen)
    assert len([line for line in started.lines()[seen:] if line["event"] == "alert"]) == 2
    started.true()


def test_a_state_that_is_deleted_while_it_runs_ends_it_loudly(started: Sentinel) -> None:
    (started.layout.state / "state.db").unlink()
    assert started.process
    assert started.process.wait(15) == 1
    assert started.wait(lambda line: line["event"] == "failed")["severity"] == "critical"


def test_a_state_that_was_edited_is_told_and_mended(started: Sentinel) -> None:
    changed = started.watched / "file1"
    started.stop()
    changed.write_text("mine")
    now = changed.stat()
    seen = len(started.lines())
    database = sqlite3.connect(started.layout.database)
    sha256 = hashlib.sha256(b"mine").digest()
    database.execute("UPDATE entries SET sha256=? WHERE name=?", (sha256, b"file1"))
    database.commit()
    database.close()
    assert now.st_size == 4
    started.start()
    assert started.wait(lambda line: line["event"] == "state_edited", seen)["severity"] == "critical"
    started.alerted(changed, "changed", seen)
    started.true()


@pytest.mark.parametrize("part", ["baseline.jsonl.gz", "baseline.json", "baseline.sig"])
@pytest.mark.parametrize("when", ["running", "down"])
def test_an_edited_or_deleted_baseline_is_critical_and_made_again(started: Sentinel, part: str, when: str) -> None:
    before = {file.name: file.read_bytes() for file in started.layout.state.glob("baseline.*")}
    if when == "down":
        started.stop()
    seen = len(started.lines())
    file = started.layout.state / part
    if part == "baseline.jsonl.gz":
        lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
        file.write_bytes(gzip.compress(b"".join(lines[:-1])))
    else:
        file.unlink()
    if when == "down":
        started.start()
    assert started.wait(lambda line: line["event"] == "baseline_edited", seen)["severity"] == "critical"
    started.wait(lambda line: line["event"] == "baseline_restored", seen)
    assert {file.name: file.read_bytes() for file in started.layout.state.glob("baseline.*")} == before
    assert not [line for line in started.lines()[seen:] if line["event"] == "alert"]


def test_in_a_window_what_was_announced_is_planned_and_all_else_an_alert(started: Sentinel) -> None:
    planned, gone, other = (started.watched / name for name in ("new", "file1", "file2"))
    sha256 = hashlib.sha256(b"as announced").hexdigest()
    plan = [{"path": str(planned), "sha256": sha256, "mode": "0600"}, {"path": str(gone), "removed": True}]
    started.ask("window open", **started.window(plan=plan))
    planned.touch(0o600)
    planned.write_bytes(b"as announced")
    gone.unlink()
    other.write_text("nobody said so")
    line = started.wait(lambda one: one["event"] == "planned" and one["path"] == str(gone))
    assert line["run"] == "run1"
    started.alerted(other, "changed")
    closed = started.ask("window close", run="run1")
    assert started.wait(lambda one: one["event"] == "planned" and one["path"] == str(planned))
    assert closed["unplanned"] == len(started.alerts())
    assert closed["baseline"]["sequence"] == 2
    assert not started.alerts(gone)
    assert [one["path"] for one in started.ask("baseline diff")["differences"]] == [str(other)]
    planned.write_bytes(b"after the window")
    until(lambda: started.alerts(planned) and started.alerts(planned)[-1]["differs"])
    started.true()


def test_something_else_at_an_announced_place_is_an_alert(started: Sentinel) -> None:
    there = started.watched / "file1"
    started.ask("window open", **started.window(plan=[{"path": str(there), "sha256": "00" * 32}]))
    there.write_text("not that")
    assert started.alerted(there, "changed")["severity"] == "critical"


def test_a_large_announced_file_is_no_alert_while_it_is_read(started: Sentinel) -> None:
    content = bytes(range(256)) * (40 << 12)
    weights = started.watched / "model.safetensors"
    plan = [{"path": str(weights), "sha256": hashlib.sha256(content).hexdigest()}]
    started.ask("window open", **started.window(plan=plan))
    weights.write_bytes(content)
    assert started.ask("window close", run="run1")["unplanned"] == len(started.alerts())
    started.wait(lambda one: one["event"] == "planned" and one["path"] == str(weights))
    assert not [one for one in started.alerts(weights) if one["after"].get("sha256") == plan[0]["sha256"]]


def _refused(started: Sentinel) -> Iterator[tuple[dict[str, str], str]]:
    yield started.signed({"schema": 1}, "casemate-window-v1"), "not as expected"
    yield started.window(host="another"), "is for another"
    yield started.window(seconds=-1), "was over"
    yield started.window(seconds=5 * 3600), "longer than 4 hours"
    yield started.window(plan=[{"path": "/x", "unknown": 1}]), "unknown"
    good = started.window()
    yield {**good, "document": base64.b64encode(b"{}").decode()}, "does not hold"
    yield started.signed(json.loads(base64.b64decode(good["document"])), "casemate-baseline-v1"), "does not hold"
    yield {"document": "?", "signature": good["signature"]}, "not as expected"


def test_only_a_window_that_is_right_in_everything_opens(started: Sentinel) -> None:
    for given, why in _refused(started):
        with pytest.raises(ControlError, match=why):
            started.ask("window open", **given)
    assert started.status()["window"] is None


def test_a_window_opens_once_grows_and_closes_by_itself(started: Sentinel) -> None:
    first = started.window(seconds=60, plan=[{"path": str(started.watched / "a")}])
    started.ask("window open", **first)
    with pytest.raises(ControlError, match="used before"):
        started.ask("window open", **first)
    with pytest.raises(ControlError, match="is open"):
        started.ask("window open", **started.window(run="run2", sequence=2))
    started.ask("window open", **started.window(sequence=3, seconds=4, plan=[{"path": str(started.watched / "b")}]))
    (started.watched / "a").write_text("a")
    (started.watched / "b").write_text("b")
    both = {str(started.watched / "a"), str(started.watched / "b")}
    until(lambda: both <= {line["path"] for line in started.lines() if line["event"] == "planned"})
    started.wait(lambda one: one["event"] == "window_closed" and "over" in one["why"])
    (started.watched / "a").write_text("again")
    started.alerted(started.watched / "a", "changed")
    with pytest.raises(ControlError, match="used before"):
        started.ask("window open", **first)


def test_a_window_and_its_sequence_outlive_a_restart(started: Sentinel) -> None:
    given = started.window(plan=[{"path": str(started.watched / "a")}])
    started.ask("window open", **given)
    started.stop()
    started.start()
    (started.watched / "a").write_text("a")
    started.wait(lambda one: one["event"] == "planned")
    started.ask("window close", run="run1")
    started.stop()
    started.start()
    with pytest.raises(ControlError, match="used before"):
        started.ask("window open", **given)


def test_settings_that_are_new_are_taken_as_found_and_said(started: Sentinel) -> None:
    more = started.root / "srv/more"
    more.mkdir()
    (more / "file").write_text("x")
    started.stop()
    seen = len(started.lines())
    sets = [*started.settings["sets"], {"name": "more", "severity": "high", "roots": [str(more)]}]
    started.start(sets=sets)
    line = started.wait(lambda one: one["event"] == "enrolled", seen)
    assert line["severity"] == "high"
    started.wait(lambda one: one["event"] == "baseline_made" and one["sequence"] == 2, seen)
    started.stop()
    seen = len(started.lines())
    started.start(sets=sets[:1])
    (started.watched / "file0").write_text("x")
    started.alerted(started.watched / "file0", "changed", seen)
    started.stop()
    started.start()
    assert not [one for one in started.lines()[seen:] if one["event"] == "state_edited"]


def test_a_root_that_matches_a_pattern_later_is_alerted(sentinel: Sentinel) -> None:
    homes = sentinel.root / "home"
    homes.mkdir()
    users = {"name": "users", "severity": "critical", "roots": [f"{homes}/*/.ssh"]}
    sentinel.start(sets=[users])
    (homes / "eve/.ssh").mkdir(parents=True)
    (homes / "eve/.ssh/authorized_keys").write_text("ssh-ed25519 AAAA eve")
    sentinel.alerted(homes / "eve/.ssh/authorized_keys", "created")
    (homes / "bob/.ssh").mkdir(parents=True)
    sentinel.alerted(homes / "bob/.ssh", "created")
    sentinel.stop()
    shutil.rmtree(homes / "eve")
    sentinel.start()
    sentinel.alerted(homes / "eve/.ssh/authorized_keys", "removed")
    shutil.rmtree(homes / "bob")
    sentinel.alerted(homes / "bob/.ssh", "removed")
    sentinel.true()


def test_a_full_disk_forgets_nothing(sentinel: Sentinel) -> None:
    place = sentinel.layout.log.parent
    place.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "full", str(place)], check=True)
    try:
        sentinel.start()
        _fill(place / "ballast")
        for number in range(200):
            (sentinel.watched / f"file{number}").write_text(str(number))
        until(lambda: sentinel.status())
        time.sleep(1)  # It tries, and cannot.
        assert len(sentinel.alerts()) < 200
        (place / "ballast").unlink()
        until(lambda: len({one["path"] for one in sentinel.alerts()}) == 200, 30)
        sentinel.true()
    finally:
        sentinel.close()
        subprocess.run(["umount", "-l", str(place)], check=True)


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as out:
        try:
            while out.write(b"x" * 4096):
                pass
        except OSError:
            return
