"""How fast the sentinel's findings get onto the disk, while a webhook hangs."""

import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from service.ledger import Ledger
from service.sentinel.change import Change, Who
from service.sentinel.configuration import Configuration, Outlets
from service.sentinel.entry import Entry
from service.sentinel.record import Finding, Recorder
from tests.bench.figure import Figure, at_least, at_most, plain
from tests.service.sentinel.receivers import web

_SECONDS = 3.0
_SINGLE = 1000


def recording() -> list[Figure]:
    """Lines a second that are on the disk (synced), by the size of a group; and how long one alone takes."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as place, web() as hook:
        hook.hang = threading.Event()
        outlets = Outlets(webhook={"url": f"http://127.0.0.1:{hook.port}/"})
        root = Path(place)
        ledger = Ledger(root / "plain.jsonl", sync=True)
        recorder = Recorder(root / "alerts.jsonl", Configuration((), outlets=outlets), root / "state", root / "none")
        findings = [Finding(_change(n), "high") for n in range(1000)]
        fields = [{"event": "alert", "severity": "high", **finding.change.fields()} for finding in findings]
        figures = [plain("sentinel-ledger-single-lines", _rate(lambda: ledger.append_all(fields[:1]), 1), "lines/s")]
        for group in (100, 1000):
            rate = _rate(partial(ledger.append_all, fields[:group]), group)
            figures.append(at_least(f"sentinel-ledger-groups-of-{group}", rate, "lines/s", 20_000))
        record = partial(recorder.changed_all, findings)
        figures.append(at_least("sentinel-recorder-groups-of-1000", _rate(record, 1000), "lines/s", 20_000))
        figures.append(
            plain("sentinel-recorder-processor", min(_processor(record) for _ in range(10)) * 1000, "us a line")
        )
        times = sorted(_time(lambda: recorder.changed(findings[0].change, "high")) for _ in range(_SINGLE))
        figures.append(plain("sentinel-one-change-median", times[_SINGLE // 2] * 1000, "ms"))
        figures.append(at_most("sentinel-one-change-p99", times[_SINGLE * 99 // 100] * 1000, "ms", 25))
        hook.hang.set()
        recorder.close()
    return figures


def _change(number: int) -> Change:
    before = Entry("file", 0o644, 0, 0, 1234, 1, 2, 3, 4, sha256=b"x" * 32)
    after = Entry("file", 0o600, 0, 0, 1235, 1, 2, 5, 6, sha256=b"y" * 32)
    who = Who(4711, "/usr/bin/dash", ("sh", "-c", "install"), 0)
    return Change(
        b"/etc/nginx/conf.d/%d.conf" % number, "nginx", "changed", before, after, time.time(), "event", who=who
    )


def _rate(write: Callable[[], object], lines: int) -> float:
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < _SECONDS:
        write()
        count += lines
    return count / (time.perf_counter() - start)


def _processor(write: Callable[[], object]) -> float:
    start = time.thread_time()
    write()
    return time.thread_time() - start


def _time(write: Callable[[], object]) -> float:
    start = time.perf_counter()
    write()
    return time.perf_counter() - start
