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
from pathlib import Path

import pytest

from service.sentinel.control import ControlError
from tests.service.sentinel.running import Sentinel, until

pytestmark = pytest.mark.long


def test_the_baseline_is_what_lies_there_and_is_signed(trusted: Sentinel) -> None:
    shown = trusted.ask("baseline show")
    assert shown["baseline"]["signed"]
    assert shown["deviating"] == 0
    lines = gzip.decompress(base64.b64decode(trusted.ask("baseline export")["content"]))
    assert hashlib.sha256(lines).hexdigest() == shown["baseline"]["sha256"]
    header, *entries = [json.loads(line) for line in lines.splitlines()]
    assert header["sequence"] == 1
    assert {Path(one["path"]).name for one in entries} == {"web", *(f"file{number}" for number in range(5))}


def test_a_signature_of_another_key_or_for_another_use_is_refused(trusted: Sentinel, tmp_path: Path) -> None:
    document = base64.b64decode(trusted.ask("baseline show")["document"])
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "thief")], check=True)
    for made in (
        trusted.signed(document, "casemate-baseline-v1", tmp_path / "thief"),
        trusted.signed(document, "casemate-window-v1"),
        trusted.signed(document + b" ", "casemate-baseline-v1"),
    ):
        with pytest.raises(ControlError, match="stays unsigned"):
            trusted.ask("baseline sign", signature=made["signature"])


def test_what_is_accepted_needs_a_reason_and_is_a_new_baseline(trusted: Sentinel) -> None:
    changed, other = trusted.watched / "file1", trusted.watched / "file2"
    changed.write_text("mine")
    other.write_text("not mine")
    trusted.alerted(changed, "changed")
    trusted.alerted(other, "changed")
    assert {one["path"] for one in trusted.ask("baseline diff")["differences"]} == {str(changed), str(other)}
    with pytest.raises(ControlError, match="reason"):
        trusted.ask("baseline accept", paths=[str(changed)], reason=" ", by="olga")
    trusted.ask("baseline accept", paths=[str(changed)], reason="I did that", by="olga")
    line = trusted.wait(lambda one: one["event"] == "baseline_accepted")
    assert (line["reason"], line["by"], line["sequence"]) == ("I did that", "olga", 2)
    assert [one["path"] for one in trusted.ask("baseline diff")["differences"]] == [str(other)]
    assert (trusted.layout.state / "previous.sig").exists()
    trusted.sign_baseline()
    assert not (trusted.layout.state / "previous.sig").exists()
    other.write_text("2")
    until(lambda: trusted.alerts(other)[-1]["after"]["sha256"] == hashlib.sha256(b"2").hexdigest())
    assert trusted.ask("baseline diff")["differences"][0]["differs"] == ["mtime"]


@pytest.mark.parametrize("how", ["deleted", "damaged"])
def test_without_its_state_it_believes_the_signed_baseline(trusted: Sentinel, how: str) -> None:
    changed = trusted.watched / "file1"
    changed.write_text("mine")
    trusted.alerted(changed, "changed")
    trusted.stop()
    (trusted.watched / "planted").write_text("x")
    seen = len(trusted.lines())
    for file in trusted.layout.state.glob("state.db*"):
        file.unlink() if how == "deleted" else file.write_bytes(b"no database at all, but long enough to be one" * 99)
    trusted.start()
    assert trusted.wait(lambda line: line["event"] == "state_lost", seen)["severity"] == "critical"
    trusted.alerted(changed, "changed", seen)
    trusted.alerted(trusted.watched / "planted", "created", seen)
    assert len([line for line in trusted.lines()[seen:] if line["event"] == "alert"]) == 2
    trusted.true()


def test_a_state_that_is_deleted_while_it_runs_ends_it_loudly(trusted: Sentinel) -> None:
    (trusted.layout.state / "state.db").unlink()
    assert trusted.process
    assert trusted.process.wait(15) == 1
    assert trusted.wait(lambda line: line["event"] == "failed")["severity"] == "critical"


def test_a_state_that_was_edited_is_told_and_mended(trusted: Sentinel) -> None:
    changed = trusted.watched / "file1"
    trusted.stop()
    changed.write_text("mine")
    now = changed.stat()
    seen = len(trusted.lines())
    database = sqlite3.connect(trusted.layout.database)
    sha256 = hashlib.sha256(b"mine").digest()
    database.execute("UPDATE entries SET sha256=? WHERE name=?", (sha256, b"file1"))
    database.commit()
    database.close()
    assert now.st_size == 4
    trusted.start()
    assert trusted.wait(lambda line: line["event"] == "state_edited", seen)["severity"] == "critical"
    trusted.alerted(changed, "changed", seen)
    trusted.true()


@pytest.mark.parametrize("part", ["baseline.jsonl.gz", "baseline.json", "baseline.sig"])
@pytest.mark.parametrize("when", ["running", "down"])
def test_an_edited_or_deleted_baseline_is_critical_and_made_again(trusted: Sentinel, part: str, when: str) -> None:
    before = {file.name: file.read_bytes() for file in trusted.layout.state.glob("baseline.*")}
    if when == "down":
        trusted.stop()
    seen = len(trusted.lines())
    file = trusted.layout.state / part
    if part == "baseline.jsonl.gz":
        lines = gzip.decompress(file.read_bytes()).splitlines(keepends=True)
        file.write_bytes(gzip.compress(b"".join(lines[:-1])))
    else:
        file.unlink()
    if when == "down":
        trusted.start()
    assert trusted.wait(lambda line: line["event"] == "baseline_edited", seen)["severity"] == "critical"
    trusted.wait(lambda line: line["event"] == "baseline_restored", seen)
    assert {file.name: file.read_bytes() for file in trusted.layout.state.glob("baseline.*")} == before
    assert not [line for line in trusted.lines()[seen:] if line["event"] == "alert"]


def test_settings_that_are_new_are_taken_as_found_and_said(trusted: Sentinel) -> None:
    more = trusted.root / "srv/more"
    more.mkdir()
    (more / "file").write_text("x")
    trusted.stop()
    seen = len(trusted.lines())
    sets = [*trusted.settings["sets"], {"name": "more", "severity": "high", "roots": [str(more)]}]
    trusted.start(sets=sets)
    line = trusted.wait(lambda one: one["event"] == "enrolled", seen)
    assert line["severity"] == "high"
    trusted.wait(lambda one: one["event"] == "baseline_made" and one["sequence"] == 2, seen)
    trusted.stop()
    seen = len(trusted.lines())
    trusted.start(sets=sets[:1])
    (trusted.watched / "file0").write_text("x")
    trusted.alerted(trusted.watched / "file0", "changed", seen)
    trusted.stop()
    trusted.start()
    assert not [one for one in trusted.lines()[seen:] if one["event"] == "state_edited"]


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
