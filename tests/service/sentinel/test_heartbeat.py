"""Signs of life, and the figures beside them."""

import json
import re
import shutil
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from service.ledger.head import beside
from service.sentinel.configuration import Configuration, Containers, WatchSet
from service.sentinel.exposition import write
from service.sentinel.heartbeat import Heartbeat, State
from service.sentinel.record import Finding, Recorder
from tests.service.sentinel.figures import STATE, samples
from tests.service.sentinel.findings import change
from tests.service.sentinel.receivers import journal
from tests.service.sentinel.running import until


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    with journal(tmp_path / "journal"):
        made = Recorder(tmp_path / "alerts.jsonl", Configuration(()), tmp_path / "state", tmp_path / "journal")
        yield made
        made.close()


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    (tmp_path / "run").mkdir()
    return tmp_path / "run" / "metrics.prom"


def test_a_beat_is_a_small_line_and_a_file(recorder: Recorder, metrics: Path, tmp_path: Path) -> None:
    Heartbeat(recorder, lambda: STATE, metrics, 30).beat()
    [line] = (tmp_path / "alerts.jsonl").read_bytes().splitlines()
    assert len(line) < 450
    told = json.loads(line)
    assert (told["event"], told["source"], told["swept"], told["baseline"]) == (
        "heartbeat",
        "fanotify",
        1_700_000_000,
        4,
    )
    found = samples(metrics)
    assert found["last_beat_timestamp_seconds"] == pytest.approx(time.time(), abs=30)
    assert (found["coverage_gaps_total"], found["coverage_gaps_open"], found["quarantines_open"]) == (2, 1, 1)
    assert (found["events_total"], found["waiting_paths"], found["waiting_contents"]) == (70, 5, 6)
    assert (found["last_sweep_paths"], found["sweep_interval_seconds"]) == (900, 60)
    assert (found["resident_memory_bytes"], found["cpu_seconds_total"]) == (30_000_000, 1.5)
    assert found['source_info{source="fanotify"}'] == 1
    assert (found["baseline_signed"], found["window_open"], found["ledger_failing"]) == (1, 0, 0)


def test_alerts_are_counted_and_what_never_happened_is_nought(recorder: Recorder, metrics: Path) -> None:
    recorder.changed_all([Finding(change(), "critical"), Finding(change(set='o"d\n\\'), "low")])
    recorder.note("coverage_gap", "high", root="/etc")
    Heartbeat(recorder, lambda: replace(STATE, window="run1"), metrics, 30).beat()
    found = samples(metrics)
    assert found['alerts_total{severity="critical",set="etc"}'] == 1
    assert found['alerts_total{severity="low",set="o\\"d\\n\\\\"}'] == 1
    assert found['alerts_total{severity="high",set="sentinel"}'] == 1
    assert found['alerts_total{severity="critical",set="sentinel"}'] == 0
    assert found['last_alert_timestamp_seconds{severity="critical"}'] == pytest.approx(time.time(), abs=30)
    assert found['last_alert_timestamp_seconds{severity="medium"}'] == 0
    assert found["window_open"] == 1
    assert found['outlet_waiting_messages{outlet="journald"}'] >= 0


def test_each_watch_set_is_told_of_before_its_first_alert(tmp_path: Path, metrics: Path) -> None:
    """Prometheus sees no rise where a series begins."""
    configuration = Configuration((WatchSet("keys", "high", ("/etc/ssl",)),), Containers("medium"))
    with journal(tmp_path / "journal"):
        made = Recorder(tmp_path / "alerts.jsonl", configuration, tmp_path / "state", tmp_path / "journal")
        Heartbeat(made, lambda: STATE, metrics, 30).beat()
        made.close()
    found = samples(metrics)
    assert found['alerts_total{severity="high",set="keys"}'] == 0
    assert found['alerts_total{severity="medium",set="containers"}'] == 0


def test_something_stuck_is_no_beat(recorder: Recorder, metrics: Path) -> None:
    heart = Heartbeat(recorder, lambda: replace(STATE, stuck=("judge",)), metrics, 30)
    heart.beat()
    assert heart.last is None
    assert samples(metrics)["last_beat_timestamp_seconds"] == 0
    assert samples(metrics)["stuck_threads"] == 1


def test_a_ledger_that_takes_nothing_is_no_beat_and_is_told(recorder: Recorder, metrics: Path, tmp_path: Path) -> None:
    heart = Heartbeat(recorder, lambda: STATE, metrics, 30)
    heart.beat()
    beside(tmp_path / "alerts.jsonl").unlink()
    recorder.changed(change(), "high")
    last = heart.last
    heart.beat()
    assert heart.last == last
    assert samples(metrics)["ledger_failing"] == 1
    assert samples(metrics)["given_back_total"] == 1


def test_it_beats_by_itself_and_outlives_a_fault(recorder: Recorder, metrics: Path) -> None:
    answers: list[State | Exception] = [RuntimeError("no state"), STATE, STATE]
    asked = threading.Event()

    def state() -> State:
        if not answers:
            asked.set()
            return STATE
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    heart = Heartbeat(recorder, state, metrics, 0.01)
    heart.start()
    assert asked.wait(20)
    until(lambda: heart.last)
    heart.close()


def test_the_file_is_for_the_group_of_its_directory_and_never_half(metrics: Path) -> None:
    write(metrics, "x 1\n" * 1000)
    status = metrics.stat()
    assert stat.S_IMODE(status.st_mode) == 0o640
    assert status.st_gid == metrics.parent.stat().st_gid
    sizes = set()

    def again() -> None:
        for _ in range(300):
            write(metrics, "x 1\n" * 1000)

    writer = threading.Thread(target=again)
    writer.start()
    while True:
        sizes.add(len(metrics.read_text()))
        if not writer.is_alive():
            break
    assert sizes == {4000}
    assert [path.name for path in metrics.parent.iterdir()] == ["metrics.prom"]


def test_prometheus_finds_no_fault_with_it(recorder: Recorder, metrics: Path) -> None:
    if not shutil.which("promtool"):
        pytest.skip("needs promtool; make test installs prometheus")
    recorder.changed(change(), "critical")
    Heartbeat(recorder, lambda: STATE, metrics, 30).beat()
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics.read_text(), capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    names = re.findall(r"# TYPE (\w+)", metrics.read_text())
    assert all(name.startswith("casemate_sentinel_") for name in names)
    assert len(names) == len(set(names)) > 20
