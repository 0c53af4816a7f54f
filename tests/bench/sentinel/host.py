"""A sentinel to be measured, with its process's figures."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.service.sentinel.running import Sentinel, until


@contextmanager
def host() -> Iterator[Sentinel]:
    """Not started; on a real file system, below TMPDIR."""
    folder = Path(tempfile.mkdtemp(prefix="sentinel-bench-"))
    one = Sentinel(folder)
    try:
        yield one
    finally:
        one.close()
        shutil.rmtree(folder)


def quiet(**settings: Any) -> dict[str, Any]:
    """Settings under which nothing happens by itself."""
    return {"heartbeat_seconds": 3600, "sweep_seconds": 3600, "rehash_hours": 10_000, **settings}


def plant(root: Path, files: int, each: int, size: int = 2000) -> None:
    """`each` files a directory, each with a content of its own."""
    for number in range(files):
        directory = root / str(number // each)
        if number % each == 0:
            directory.mkdir(parents=True)
        (directory / str(number)).write_bytes(str(number).encode().ljust(size, b"."))


def weights(place: Path, count: int) -> None:
    """Files of a gigabyte."""
    block = os.urandom(1 << 20)
    for number in range(count):
        with (place / f"{number}.safetensors").open("wb") as file:
            for _ in range(1024):
                file.write(block)


@contextmanager
def scanning(sentinel: Sentinel) -> Iterator[None]:
    """All contents are read again, and again, meanwhile."""
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


def processor(pid: int) -> float:
    """Seconds of it that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def hashing(pid: int) -> list[int]:
    """The processes that hash for it."""
    return [int(one) for task in Path(f"/proc/{pid}/task").iterdir() for one in (task / "children").read_text().split()]


def proportional(pids: list[int]) -> float:
    """MB in memory of all of them together: what several share is counted once."""
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024 / 1e6


def resident(pid: int) -> float:
    """MB in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
