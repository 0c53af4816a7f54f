"""What stays behind of requests that are over: nothing."""

import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.figure import Figure, at_most, plain
from tests.bench.vision.endless import endless
from tests.bench.vision.inside import Inside
from tests.bench.vision.load import sent
from tests.bench.vision.serving import served


def disconnects() -> list[Figure]:
    """A thousand clients that leave at a random moment; what is held afterwards against what was held before."""
    with tempfile.TemporaryDirectory() as folder, Inside(endless(Path(folder)), Path(folder)) as inside:
        leave: dict[str, Any] = {"socket": inside.socket, "together": 32, "stream": True, "leave": 1.0}
        sent(**leave, requests=200)
        before, memory = _settled(inside), inside.resident
        sent(**leave, requests=1000)
        after, grown = _settled(inside), inside.resident - memory
    leaked = sum(max(0, after[what] - before[what]) for what in before)
    return [
        at_most("vision-leaked-by-disconnects", leaked, "rows, places, tasks, threads and files", 0),
        plain("vision-memory-after-disconnects", grown / memory, "share grown"),
    ]


def _settled(inside: Inside) -> dict[str, int]:
    end = time.monotonic() + 20
    while (held := inside.held())["rows"] + held["waiting"] + held["places"] and time.monotonic() < end:
        time.sleep(0.05)
    time.sleep(1)  # Connections and tasks end a moment after what they were for.
    return inside.held()


def memory() -> list[Figure]:
    """Resident memory after 2,000 requests against that after 200, each with a picture of its own."""
    with tempfile.TemporaryDirectory() as folder, served(endless(Path(folder)), Path(folder)) as service:
        plan: dict[str, Any] = {"socket": service.socket, "together": 16, "tokens": 8}
        sent(**plan, requests=200, pictures=200)
        early = service.resident
        sent(**plan, requests=1800, pictures=1800)
        late = service.resident
    return [
        plain("vision-memory", late / 1e6, "MB"),
        at_most("vision-memory-growth", late / early - 1, "share", 0.05),
    ]
