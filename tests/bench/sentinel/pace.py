"""How many events a second it keeps up with, and for how little."""

from __future__ import annotations

import subprocess
import sys
import time

from deploy.paths import ROOT
from service.sentinel.look import LARGE
from tests.bench.figure import Figure, at_least, at_most, plain
from tests.bench.sentinel.host import hashing, host, processor, proportional, quiet, resident
from tests.service.sentinel.running import Sentinel, until

_DIRECTORIES = 100_000
_IDLE = 60.0
# What an installation does to a file: made, written in three goes, given its mode, moved to its name, given its time.
_STORM = """
import os, sys
root, files = sys.argv[1], int(sys.argv[2])
for number in range(files):
    if number % 500 == 0:
        directory = f"{root}/{number // 500}"
        os.mkdir(directory)
    new, name = f"{directory}/{number}.new", f"{directory}/{number}"
    fd = os.open(new, os.O_WRONLY | os.O_CREAT)
    for part in (b"one", b"two", b"three"):
        os.write(fd, part)
    os.fchmod(fd, 0o644)
    os.close(fd)
    os.rename(new, name)
    os.utime(name, (number, number))
"""
_FILES = 20_000


def sustained() -> list[Figure]:
    """All events of a storm until the last one's change is recorded, divided by the time; nothing may be missing."""
    with host() as sentinel:
        sentinel.start(**quiet())
        before, began = sentinel.status()["source"]["events"], time.perf_counter()
        subprocess.run([sys.executable, "-c", _STORM, str(sentinel.watched), str(_FILES)], check=True, cwd=ROOT)
        planted = time.perf_counter() - began
        until(lambda: not sentinel.status()["waiting"]["paths"], 300)
        seconds = time.perf_counter() - began
        told = sentinel.status()
        sentinel.true()
        known = {line["path"] for line in sentinel.alerts() if line["what"] != "transient"}
        missing = sum(str(path) not in known for path in sentinel.watched.rglob("*"))
    return [
        at_least("sentinel-events-a-second", (told["source"]["events"] - before) / seconds, "events/s", 20_000),
        plain("sentinel-events-planted", (told["source"]["events"] - before) / planted, "events/s"),
        plain("sentinel-files-recorded-a-second", _FILES / seconds, "files/s"),
        plain("sentinel-storm-gaps", told["gaps"]["all"], "gaps"),
        at_most("sentinel-storm-missing", missing, "files", 0),
    ]


def idle() -> list[Figure]:
    """100,000 directories: until all are watched, what is resident, and what it uses while nothing happens."""
    figures = []
    for source, goal in (("fanotify", 0.2), ("inotify", 6.0)):
        with host() as sentinel:
            for number in range(_DIRECTORIES):
                (sentinel.watched / str(number // 1000) / str(number)).mkdir(parents=True)
            sentinel.start(**quiet(source=source, heartbeat_seconds=30))
            assert sentinel.process
            watching = sentinel.status()["source"]["watching_seconds"]
            time.sleep(5)
            used = processor(sentinel.process.pid)
            time.sleep(_IDLE)
            share = (processor(sentinel.process.pid) - used) / _IDLE
            figures += [
                at_most(f"sentinel-watch-{source}", watching, "s", goal),
                at_most(f"sentinel-memory-{source}", resident(sentinel.process.pid), "MB", 60),
                at_most(f"sentinel-idle-{source}", share * 100, "% of a core", 0.2),
                *_with_those_that_hash(sentinel, sentinel.process.pid, f"sentinel-memory-{source}"),
            ]
    return figures


def _with_those_that_hash(sentinel: Sentinel, pid: int, name: str) -> list[Figure]:
    """What the daemon and its processes hold together, before a large file is written and read twice, then and after.

    They end a minute after the last one.
    """
    before = proportional([pid])
    (sentinel.watched / "large").write_bytes(bytes(LARGE + 1))
    until(lambda: len(hashing(pid)) == 1 and not sentinel.status()["waiting"]["contents"], 60)
    sentinel.ask("sweep", content=True)
    until(lambda: len(hashing(pid)) == 2 and not sentinel.status()["waiting"]["contents"], 60)
    during = proportional([pid, *hashing(pid)])
    until(lambda: not hashing(pid), 90)
    return [
        plain(f"{name}-alone", before, "MB PSS"),
        plain(f"{name}-hashing", during, "MB PSS with the 2 that hash"),
        plain(f"{name}-rested", proportional([pid]), "MB PSS, the 2 have ended"),
        at_most(f"{name}-rested-resident", resident(pid), "MB, the 2 have ended", 60),
    ]
