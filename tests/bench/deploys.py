"""Deploys: with nothing to do, after one changed line, to three hosts, and the whole demo."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy.paths import ROOT
from tests.bench.command import casemate, casemate_json, timed
from tests.bench.figure import Figure, at_most, plain

LAB = "inventory/lab.py"


def _deployed(hosts: int = 1) -> None:
    casemate("lab", "up", "--hosts", str(hosts))
    casemate("deploy", LAB)


def demo_cold() -> list[Figure]:
    """`make demo` in a fresh clone with every cache empty. Packages of the machine itself stay installed."""
    casemate("lab", "down")
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "casemate"
        timed("git", "clone", "-q", str(ROOT), str(clone))
        seconds = timed("make", "-C", str(clone), "demo", XDG_CACHE_HOME=f"{folder}/cache", PIP_NO_CACHE_DIR="1")
        timed(str(clone / ".venv/bin/casemate"), "lab", "down")
    return [at_most("demo-cold", seconds, "s", 720)]


def demo_warm() -> list[Figure]:
    """`make demo` again."""
    timed("make", "demo")
    return [at_most("demo-warm", timed("make", "demo"), "s", 90)]


def nothing_to_do() -> list[Figure]:
    """A deploy that changes nothing, all components in; the median of five."""
    _deployed()
    runs = []
    for _ in range(5):
        started = time.monotonic()
        [host] = casemate_json("deploy", LAB)["hosts"].values()
        runs.append((time.monotonic() - started, host["round_trips"]))
        if host["changed"]:
            raise RuntimeError(f"a second run changed something: {host}")
    seconds, trips = sorted(runs)[2]
    return [at_most("deploy-nothing", seconds, "s", 5), plain("deploy-nothing-round-trips", trips, "round trips")]


def one_line_change() -> list[Figure]:
    """One changed line of our code: rebuild, ship, hand over. Bytes are what the host's interface received."""
    _deployed()
    with _changed_line():
        before = _received()
        seconds = casemate("deploy", LAB)
        sent = _received() - before
    casemate("deploy", LAB)
    return [at_most("deploy-change", seconds, "s", 30), at_most("deploy-change-bytes", sent / 1e6, "MB", 1.5)]


@contextmanager
def _changed_line() -> Iterator[None]:
    file = ROOT / "service" / "vision" / "__init__.py"
    text = file.read_text()
    file.write_text(f"{text}\n# bench {time.time_ns()}\n")
    try:
        yield
    finally:
        file.write_text(text)


def _received() -> int:
    # Counted inside the host, TCP and SSH overhead included.
    with os.popen(".venv/bin/casemate lab shell lab1 -- cat /sys/class/net/eth0/statistics/rx_bytes") as output:
        return int(output.read())


def three_hosts() -> list[Figure]:
    """A first deploy of three bare hosts at once against that of one; the image is built before."""
    seconds = {}
    for hosts in (1, 3):
        casemate("lab", "down")
        casemate("lab", "up", "--hosts", str(hosts))
        casemate("release", "build", LAB)
        seconds[hosts] = casemate("deploy", LAB)
    casemate("lab", "down")
    return [
        plain("deploy-one-host", seconds[1], "s"),
        plain("deploy-three-hosts", seconds[3], "s"),
        at_most("deploy-three-ratio", seconds[3] / seconds[1], "ratio", 2),
    ]
