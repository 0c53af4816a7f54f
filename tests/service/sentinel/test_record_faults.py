"""Changes on a full disk, without a head, killed in a burst, behind a receiver that hangs."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.ledger import Ledger
from service.ledger.head import beside
from service.sentinel.configuration import Configuration, Outlets
from service.sentinel.record import Finding, Recorder
from tests.ports import held_ports
from tests.service.sentinel.findings import change, lines, sound
from tests.service.sentinel.receivers import journal, web
from tests.service.sentinel.running import until

ROOT = Path(__file__).resolve().parents[3]


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
from tests.ports import held_ports
from tests.service.sentinel.findings import change
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
    with held_ports(1) as [free]:
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
            until(lambda: any(one.document["event"] == "started" for one in hook.posted), 120)
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
        assert sorted(times)[50] < 5, "as long as it hangs"
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
