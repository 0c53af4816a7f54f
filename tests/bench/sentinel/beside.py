"""What a full scan costs the service that it watches over."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from tests.bench.figure import Figure, at_least, plain
from tests.bench.sentinel.host import host, quiet, scanning, weights
from tests.bench.vision.endless import endless
from tests.bench.vision.serving import served
from tests.bench.vision.throughput import rate
from tests.service.sentinel.running import until

_ROUNDS = 5
_SHARDS = 3


def beside() -> list[Figure]:
    """Tokens a second of sixteen clients, in turns without and with all contents being read again all the time."""
    with host() as sentinel, tempfile.TemporaryDirectory() as folder:
        weights(sentinel.watched, _SHARDS)
        sentinel.start(**quiet())
        until(lambda: not sentinel.status()["waiting"]["contents"], 300)
        alone, scanned = [], []
        with served(endless(Path(folder)), Path(folder)) as service:
            for _ in range(_ROUNDS):
                alone.append(rate("http://vision", socket=service.socket))
                with scanning(sentinel):
                    scanned.append(rate("http://vision", socket=service.socket))
                until(lambda: not sentinel.status()["waiting"]["contents"], 300)
    return [
        plain("sentinel-beside-vision-alone", statistics.median(alone), "tokens/s"),
        plain("sentinel-beside-vision-scanned", statistics.median(scanned), "tokens/s"),
        at_least("sentinel-beside-vision-ratio", statistics.median(scanned) / statistics.median(alone), "ratio", 0.95),
    ]
