"""Changes into the ledger: at once, in groups, on a full disk, killed, and with hostile names."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from service.ledger import Ledger, verify
from service.ledger.head import beside, first_key, read_key
from service.sentinel.change import Change, Who
from service.sentinel.configuration import Configuration, Outlets
from service.sentinel.entry import Entry
from service.sentinel.record import Finding, Recorder
from tests.service.sentinel.receivers import journal, until, web

ROOT = Path(__file__).resolve().parents[3]


def entry(**other: Any) -> Entry:
    values = {
        "kind": "file",
        "mode": 0o644,
        "uid": 0,
        "gid": 0,
        "size": 1,
        "device": 1,
        "inode": 2,
        "mtime": 3,
        "ctime": 4,
    }
    return Entry(**{**values, "sha256": b"x" * 32, **other})


def change(path: bytes = b"/etc/passwd", **other: Any) -> Change:
    values = {"set": "etc", "what": "changed", "before": entry(), "after": entry(mode=0o4755), "at": 1.5}
    return Change(**{"path": path, "found_by": "event", **values, **other})


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_bytes().splitlines()]


def sound(log: Path) -> bool:
    return not verify(log, read_key(first_key(log))).findings


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "alerts.jsonl"


@pytest.fixture
def recorder(log: Path, tmp_path: Path) -> Iterator[Recorder]:
    with journal(tmp_path / "journal"):
        made = Recorder(log, Configuration(()), tmp_path / "state", tmp_path / "journal")
        yield made
        made.close()


def test_a_change_is_a_line_when_it_returns(recorder: Recorder, log: Path) -> None:
    assert recorder.changed(change(who=Who(7, "/bin/sh", ("sh",), 0)), "high")
    assert recorder.changed(change(what="removed", after=None), "critical", planned_by="run1")
    alert, planned = lines(log)
    assert (alert["event"], alert["severity"], alert["path"]) == ("alert", "high", "/etc/passwd")
    assert (alert["differs"], alert["after"]["mode"], alert["who"]["pid"]) == (["mode"], "4755", 7)
    assert (planned["event"], planned["severity"], planned["run"]) == ("planned", None, "run1")
    assert sound(log)


def test_a_group_is_one_write_with_its_sum_at_the_end(recorder: Recorder, log: Path) -> None:
    findings = [Finding(change(b"/etc/%d" % n), "low") for n in range(150)]
    findings.append(Finding(change(set="keys"), "critical"))
    findings.append(Finding(change(set="keys"), "high", "run1"))
    assert recorder.changed_all(findings)
    written = lines(log)
    assert [line.get("path") for line in written[:150]] == [f"/etc/{n}" for n in range(150)]
    assert len({line["time"] for line in written}) == 1
    assert written[-1] | {"seq": 0, "time": 0, "prev": 0, "mac": 0} == {
        "seq": 0, "time": 0, "prev": 0, "mac": 0,
        "event": "burst", "severity": None, "worst": "critical", "count": 152, "planned": 1,
        "sets": {"etc": 150, "keys": 2},
    }  # fmt: skip
    tally = recorder.tally()
    assert (tally.alerts, tally.planned) == ({("low", "etc"): 150, ("critical", "keys"): 1}, 1)
    assert set(tally.last) == {"low", "critical"}


def test_threads_make_one_chain(recorder: Recorder, log: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda n: recorder.changed(change(b"/etc/%d" % n), "low"), range(200)))
    assert all(done)
    assert {line["path"] for line in lines(log) if line["event"] == "alert"} == {f"/etc/{n}" for n in range(200)}
    assert sound(log)


def test_hostile_names_and_endless_fields_do_not_keep_an_alert_out(recorder: Recorder, log: Path) -> None:
    path = b"/" + b"\n\x1b\xff\\" * 1023
    link = entry(kind="link", target=b"\x80" * 4095)
    who = Who(1, "\udcff" * 4000, ("\u202e" * 100_000, *["x"] * 100_000), 0)
    worst = change(path, before=link, after=link, container="c" * 64, inside=path, who=who)
    assert recorder.changed_all([Finding(change(), "low"), Finding(worst, "critical")])
    assert recorder.changed(change(who=who), "high")
    assert bytes.fromhex(lines(log)[1]["path_hex"]) == path
    assert lines(log)[1]["severity"] == "critical"
    assert recorder.note("unreadable", "high", path="x" * 20_000, error="y" * 100_000)
    assert sound(log)


def test_a_note_that_is_no_json_is_its_writer_s_fault(recorder: Recorder) -> None:
    with pytest.raises(TypeError):
        recorder.note("swept", path=b"/etc")
    with pytest.raises(ValueError, match="belong to the ledger"):
        recorder.note("swept", seq=1)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    if os.geteuid():
        pytest.skip("needs root, to mount a small file system")
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def test_a_full_disk_gives_changes_back_and_is_told(small: Path, tmp_path: Path) -> None:
    log = small / "alerts.jsonl"
    with journal(tmp_path / "journal") as entries:
        recorder = Recorder(log, Configuration((), group_seconds=0.01), tmp_path / "state", tmp_path / "journal")
        assert recorder.changed(change(), "low")
        until(lambda: recorder.tally().outlets[0].delivered)
        entries.get(timeout=5)
        (small / "ballast").write_bytes(b"x" * (180 << 10))
        before = log.read_bytes()
        big = [Finding(change(b"/etc/%d" % n), "high") for n in range(250)]
        assert not recorder.changed_all(big)
        fill(small / "more")
        assert not recorder.changed_all(big)
        assert not recorder.note("coverage_gap", "high", root="/etc", why="overflow" * 600)
        assert log.read_bytes() == before
        tally = recorder.tally()
        assert tally.failing_since is not None
        assert tally.given_back == 500
        said = [entries.get(timeout=5)["MESSAGE"] for _ in range(3)]
        assert sum("ledger failed" in text for text in said) == 1
        assert sum("changed (mode)" in text or "paths" in text for text in said) == 2  # The first at once, then 249.
        (small / "ballast").unlink()
        (small / "more").unlink()
        assert recorder.changed_all(big)
        recorder.close()
    events = [line["event"] for line in lines(log)]
    assert events == ["alert", "coverage_gap", "ledger_recovered", *["alert"] * 250, "burst"]
    recovered = lines(log)[2]
    assert (recovered["severity"], recovered["given_back"]) == ("high", 500)
    assert recorder.tally().failing_since is None
    assert sound(log)


def test_a_ledger_without_its_head_silences_nobody(log: Path, tmp_path: Path) -> None:
    with journal(tmp_path / "other") as entries:
        recorder = Recorder(log, Configuration(()), tmp_path / "state", tmp_path / "other")
        recorder.changed(change(), "low")
        beside(log).unlink()
        assert not recorder.changed(change(b"/etc/shadow"), "critical")
        assert not recorder.changed(change(b"/etc/shadow"), "critical")
        texts = [entries.get(timeout=10)["MESSAGE"] for _ in range(3)]
        recorder.close()
    assert sum("/etc/shadow" in text for text in texts) == 1
    assert any("ledger failed" in text and "no head" in text for text in texts)


WRITER = """
import sys
from pathlib import Path
from service.sentinel.configuration import Configuration, Outlets
from service.sentinel.record import Finding, Recorder
from tests.service.sentinel.test_record import change
place, port = Path(sys.argv[1]), sys.argv[2]
secret = place / "secret"
secret.write_text("s")
hook = Outlets(webhook={"url": f"http://127.0.0.1:{port}/", "secret_file": str(secret)})
recorder = Recorder(place / "alerts.jsonl", Configuration((), outlets=hook, group_seconds=0.2), place, place / "j")
for n in range(1_000_000):
    assert recorder.changed_all([Finding(change(b"/%d/%d" % (n, i)), "high") for i in range(100)])
    print(n, flush=True)
"""


@pytest.mark.long
def test_killed_in_a_burst_all_that_was_acknowledged_is_there_and_reaches_the_webhook(tmp_path: Path) -> None:
    log, acknowledged = tmp_path / "alerts.jsonl", 0
    with web() as hook:
        free = hook.port
    for round_ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(free)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        process.stdout.readline()
        time.sleep(0.1 * round_)
        process.send_signal(signal.SIGKILL)
        acknowledged += 1 + len(process.stdout.read().split())
        process.wait()
        process.stdout.close()
    with web(free) as hook:
        outlets = Outlets(webhook={"url": f"http://127.0.0.1:{free}/", "secret_file": str(tmp_path / "secret")})
        recorder = Recorder(log, Configuration((), outlets=outlets), tmp_path, tmp_path / "j")
        recorder.note("started")
        alerts = [line for line in lines(log) if line["event"] == "alert"]
        assert len(alerts) >= 100 * acknowledged
        until(lambda: any(one.document["event"] == "started" for one in hook.posted))
        recorder.close()
    documents = [one.document for one in hook.posted]
    told: set[int] = set()
    for one in documents:
        if one["event"] == "alert":
            told |= set(range(one["first_seq"], one["last_seq"] + 1))
    assert {line["seq"] for line in alerts} <= told
    assert sound(log)


def test_a_hanging_webhook_delays_no_record(log: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    with web() as hook:
        hook.hang = threading.Event()
        outlets = Outlets(webhook={"url": f"http://127.0.0.1:{hook.port}/", "secret_file": str(tmp_path / "secret")})
        recorder = Recorder(log, Configuration((), outlets=outlets), tmp_path / "state", tmp_path / "j")
        times = []
        for n in range(100):
            start = time.perf_counter()
            assert recorder.changed(change(b"/etc/%d" % n), "high")
            times.append(time.perf_counter() - start)
        assert sorted(times)[50] < 0.1
        hook.hang.set()
        recorder.close()


def test_when_the_last_alert_was_outlives_a_restart(recorder: Recorder, log: Path, tmp_path: Path) -> None:
    recorder.changed(change(), "critical")
    again = Recorder(log, Configuration(()), tmp_path / "state", tmp_path / "journal")
    assert again.tally().last["critical"] == pytest.approx(time.time(), abs=60)
    assert again.tally().alerts == {}
    again.close()


def test_a_log_that_is_not_the_recorder_s_is_no_obstacle(log: Path, tmp_path: Path) -> None:
    Ledger(log).append_all([{"event": 7}, {"severity": "odd"}, {"event": "x", "severity": ["high"]}])
    recorder = Recorder(log, Configuration(()), tmp_path / "state", tmp_path / "journal")
    assert recorder.changed(change(), "low")
    recorder.close()
