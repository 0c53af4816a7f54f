"""What is never reported: of a storm of a million operations, and of files that come and go in fresh directories."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from deploy.paths import ROOT
from service.sentinel.entry import named
from tests.bench.figure import Figure, at_most, plain
from tests.bench.sentinel.listening import Program, listening, state
from tests.bench.sentinel.rivals import OURS, aide, rivals
from tests.service.sentinel.running import Sentinel, of, shown
from tests.service.sentinel.watching import mounted

_OPERATIONS = 1_000_000
_RUNS = 5
_TOGETHER = 2
_TRANSIENT = 500


def loss() -> list[Figure]:
    """Final states that were not reported: by the daemon after its next sweep, by events alone, by the peers."""
    figures = []
    for source in OURS:
        runs = [_by_the_daemon(source, seed) for seed in range(_RUNS)]
        figures += [
            at_most(f"sentinel-loss-{source}", sum(run.lost for run in runs), "final states", 0),
            plain(f"sentinel-loss-{source}-runs", sum(not run.lost for run in runs), f"runs of {_RUNS} without loss"),
            plain(f"sentinel-loss-{source}-seconds", max(run.seconds for run in runs), "s from storm to sweep's end"),
            plain(f"sentinel-loss-{source}-memory", max(run.resident for run in runs), "MB at most"),
        ]
        figures.append(plain(f"sentinel-loss-{source}-by-events-alone", _by_events(OURS[source]), "final states"))
    figures += [plain("sentinel-loss", _by_events(program), "final states", name) for name, program in rivals().items()]
    with tempfile.TemporaryDirectory() as folder, _in_memory() as watched:
        if (found := aide(Path(folder), watched)) is not None:
            _storm(watched, 0)
            start = time.monotonic()
            lost = abs(len(state(watched)) - found.added())
            figures += [
                plain("sentinel-loss", lost, "final states", "aide"),
                plain("sentinel-loss-check", time.monotonic() - start, "s", "aide"),
            ]
    return figures


def transient() -> list[Figure]:
    """Of 500 files that come and go in fresh nested directories, those that nobody ever named."""
    lost = {name: _never_named(program) for name, program in {**OURS, **rivals()}.items()}
    return [
        at_most("sentinel-transient-fanotify", lost.pop("fanotify"), f"lost of {_TRANSIENT}", 0),
        plain("sentinel-transient-inotify", lost.pop("inotify"), f"lost of {_TRANSIENT}"),
        *(plain("sentinel-transient", value, f"lost of {_TRANSIENT}", name) for name, value in lost.items()),
    ]


@dataclass(frozen=True)
class _Run:
    """Paths of which the last line of the log does not say what lies there; seconds; megabytes at the most."""

    lost: int
    seconds: float
    resident: float


def _by_the_daemon(source: str, seed: int) -> _Run:
    with tempfile.TemporaryDirectory() as folder:
        sentinel = Sentinel(Path(folder))
        with mounted(sentinel.watched, "-t", "tmpfs", "none"), closing(sentinel):
            sentinel.start(source=source)
            start = time.monotonic()
            _storm(sentinel.watched, seed)
            sentinel.ask("sweep")
            seconds = time.monotonic() - start
            assert sentinel.process
            status = Path(f"/proc/{sentinel.process.pid}/status").read_text(encoding="ascii")
            resident = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1e3
            told = {}
            for line in sentinel.lines():
                if line["event"] == "alert" and line["what"] != "transient":
                    told[named(line["path"])] = shown(line.get("after"))
            paths = told.keys() | state(sentinel.watched).keys()
            lost = [path for path in paths if told.get(path) != of(path)]
            for path in lost[:5]:
                print(f"{source}, storm {seed}: {path!r} is {of(path)}, told was {told.get(path)}", file=sys.stderr)
            return _Run(len(lost), seconds, resident)


def _by_events(program: Program) -> int:
    with _in_memory() as watched, listening(*program(watched)) as one:
        _storm(watched, 0)
        one.settled()
        return one.unreported(watched)


def _never_named(program: Program) -> int:
    with _in_memory() as watched, listening(*program(watched)) as one:
        for number in range(_TRANSIENT):
            nest = watched / str(number) / "a" / "b"
            nest.mkdir(parents=True)
            (nest / "shell.php").write_bytes(b"<?php")
            (nest / "shell.php").unlink()
            nest.rmdir()
            nest.parent.rmdir()
            nest.parent.parent.rmdir()
            time.sleep(0.002)
        one.settled()
        return _TRANSIENT - sum(path.endswith(b"/shell.php") for path in one.named)


def _storm(watched: Path, seed: int) -> None:
    program = ROOT / "tests" / "bench" / "sentinel" / "storm.py"
    shares = [
        [sys.executable, str(program), str(watched / str(share)), str(_OPERATIONS // _TOGETHER), f"{seed}{share}"]
        for share in range(_TOGETHER)
    ]
    running = [subprocess.Popen(command) for command in shares]
    assert [process.wait() for process in running] == [0] * _TOGETHER


@contextmanager
def _in_memory() -> Iterator[Path]:
    """A file system in memory: a disk would set the pace of the storm."""
    with tempfile.TemporaryDirectory() as folder, mounted(Path(folder) / "watched", "-t", "tmpfs", "none") as watched:
        yield Path(os.path.realpath(watched))
