"""What a full scan costs the service that it watches over."""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.figure import Figure, at_least, plain
from tests.bench.sentinel.host import host, quiet
from tests.bench.vision.endless import endless
from tests.bench.vision.serving import served
from tests.bench.vision.throughput import rate
from tests.service.sentinel.running import Sentinel, until

_ROUNDS = 5
_SHARDS, _SHARD = 3, 1 << 30


def beside() -> list[Figure]:
    """Tokens a second of sixteen clients, in turns without and with all contents being read again all the time."""
    with host() as sentinel, tempfile.TemporaryDirectory() as folder:
        block = os.urandom(1 << 20)
        for number in range(_SHARDS):
            with (sentinel.watched / f"{number}.safetensors").open("wb") as file:
                for _ in range(_SHARD >> 20):
                    file.write(block)
        sentinel.start(**quiet())
        until(lambda: not sentinel.status()["waiting"]["contents"], 300)
        alone, scanned = [], []
        with served(endless(Path(folder)), Path(folder)) as service:
            for _ in range(_ROUNDS):
                alone.append(rate("http://vision", socket=service.socket))
                with _scanning(sentinel):
                    scanned.append(rate("http://vision", socket=service.socket))
    return [
        plain("sentinel-beside-vision-alone", statistics.median(alone), "tokens/s"),
        plain("sentinel-beside-vision-scanned", statistics.median(scanned), "tokens/s"),
        at_least("sentinel-beside-vision-ratio", statistics.median(scanned) / statistics.median(alone), "ratio", 0.95),
    ]


@contextmanager
def _scanning(sentinel: Sentinel) -> Iterator[None]:
    ended = threading.Event()

    def scan() -> None:
        while not ended.is_set():
            if not sentinel.status()["waiting"]["contents"]:
                sentinel.ask("sweep", content=True)
            time.sleep(0.2)

    thread = threading.Thread(target=scan)
    thread.start()
    until(lambda: sentinel.status()["waiting"]["contents"], 60)
    yield
    ended.set()
    thread.join()
    until(lambda: not sentinel.status()["waiting"]["contents"], 300)
