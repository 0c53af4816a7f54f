"""From a change to its record on the disk."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path

from tests.bench.figure import Figure, at_most, plain
from tests.bench.sentinel.host import host, quiet, scanning, weights
from tests.service.sentinel.running import Sentinel, until

_TIMES = 300
_WEIGHTS = 3


def latency() -> list[Figure]:
    """Of a file moved in, one at a time: when nothing else happens, and while weights are hashed all the time."""
    with host() as sentinel:
        place = sentinel.root / "weights"
        place.mkdir()
        weights(place, _WEIGHTS)
        sets = [
            {"name": "web", "severity": "critical", "roots": [str(sentinel.watched)]},
            {"name": "weights", "severity": "critical", "roots": [str(place)]},
        ]
        sentinel.start(**quiet(sets=sets))
        until(lambda: not sentinel.status()["waiting"]["contents"], 300)
        idle = _seconds(sentinel, "idle")
        with scanning(sentinel):
            busy = _seconds(sentinel, "busy")
    return [
        plain("sentinel-latency-median", statistics.median(idle) * 1000, "ms"),
        at_most("sentinel-latency-p99", _p99(idle) * 1000, "ms", 25),
        plain("sentinel-latency-hashing-median", statistics.median(busy) * 1000, "ms"),
        at_most("sentinel-latency-hashing-p99", _p99(busy) * 1000, "ms", 250),
    ]


def _seconds(sentinel: Sentinel, name: str) -> list[float]:
    """The head beside the log is written when the line is on the disk."""
    head = sentinel.layout.log.with_name("alerts.jsonl.head")
    outside, found = sentinel.root / "outside", []
    outside.mkdir(exist_ok=True)
    for number in range(_TIMES):
        (outside / str(number)).write_text(f"{name} {number}")
        before, began = _lines(head), time.perf_counter()
        (outside / str(number)).rename(sentinel.watched / f"{name}{number}")
        while _lines(head) == before:
            if time.perf_counter() - began > 30:
                raise TimeoutError("a change was not recorded within 30 seconds")
            time.sleep(0.0002)
        found.append(time.perf_counter() - began)
        time.sleep(0.02)
    return found


def _lines(head: Path) -> int:
    return int(json.loads(head.read_bytes())["seq"])


def _p99(values: list[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]
