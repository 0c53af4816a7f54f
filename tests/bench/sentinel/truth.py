"""Baselines and sweeps, in this process: the parts that the daemon is made of."""

from __future__ import annotations

import hashlib
import os
import queue
import shutil
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from service.sentinel.configuration import Configuration
from service.sentinel.dirty import Dirty
from service.sentinel.entry import Entry
from service.sentinel.hashing import THREADS, Hashing
from service.sentinel.inotify import Inotify
from service.sentinel.judge import Judge
from service.sentinel.layout import Layout
from service.sentinel.names import Names
from service.sentinel.record import Recorder
from service.sentinel.store import Store
from service.sentinel.sweep import Sweeper
from service.sentinel.territory import Territory, Watched
from service.sentinel.window import Windows
from tests.bench.figure import Figure, at_least, at_most, plain
from tests.bench.sentinel.host import plant

_ROUNDS = 3
_WEIGHTS, _SHARD = 4, 768 << 20


@dataclass
class Parts:
    """Judge and sweeper over one root."""

    sweeper: Sweeper
    judge: Judge

    def swept(self) -> float:
        """Seconds until a whole sweep is judged."""
        done, began = threading.Event(), time.perf_counter()
        self.sweeper.everything(done.set)
        if not self.sweeper.is_alive():
            self.sweeper.start()
        done.wait()
        return time.perf_counter() - began


@contextmanager
def parts(root: Path) -> Iterator[Parts]:
    """With nothing known; what is found is taken as it is."""
    with tempfile.TemporaryDirectory() as place:
        layout = Layout(Path(place))
        layout.state.mkdir(parents=True)
        layout.log.parent.mkdir(parents=True)
        recorder = Recorder(layout.log, Configuration(()), layout.state)
        store, dirty = Store(layout.database), Dirty(1.0)
        one = Watched(os.fsencode(root), "bench", "high", "alert", "bench")
        territory, source = Territory([one]), Inotify()
        sweeper = Sweeper(layout.database, dirty, lambda: territory, 3600, lambda _: None, source.linked)
        judge = Judge(
            store,
            dirty,
            recorder,
            Windows(layout),
            territory=lambda: territory,
            meanings=lambda _: (),
            sweep=sweeper.ask,
            react=lambda *_: None,
            names=Names(source.linked, dirty),
        )
        judge.enrolling = {one.root}
        judge.start()
        yield Parts(sweeper, judge)
        sweeper.close()
        judge.close()
        recorder.close()
        source.close()


def small_files() -> list[Figure]:
    """A baseline of 50,000 files in the page cache, and AIDE's of the same; a sweep of 100,000, and AIDE's check."""
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-") as folder:
        tree = Path(folder) / "tree"
        plant(tree, 50_000, 100)
        ours = statistics.median(_baseline(tree) for _ in range(_ROUNDS))
        figures = [at_most("sentinel-baseline-50k", ours, "s", 1.5), *_aide(tree, "50k")]
        shutil.rmtree(tree)
        plant(tree, 100_000, 100)
        with parts(tree) as one:
            one.swept()
            sweeps = [one.swept() for _ in range(_ROUNDS)]
        figures += [at_most("sentinel-sweep-100k", statistics.median(sweeps), "s", 2), *_aide(tree, "100k")]
    return figures


def weights() -> list[Figure]:
    """Contents of weights by the daemon's threads, against what disk and processors allow."""
    with tempfile.TemporaryDirectory(prefix="sentinel-bench-") as folder:
        files = [Path(folder) / f"{number}.safetensors" for number in range(_WEIGHTS)]
        block = os.urandom(1 << 20)
        for file in files:
            with file.open("wb") as out:
                for _ in range(_SHARD >> 20):
                    out.write(block)
            os.sync()
        gigabytes = _WEIGHTS * _SHARD / 1e9
        core = _of(_ROUNDS, lambda: _core())
        cold, disk, warm = [], [], []
        told = queue.SimpleQueue[Entry | None]()
        hashing = Hashing(lambda _, entry: told.put(entry))  # Once: the daemon has it from its start.
        _hashed(hashing, told, files)
        for _ in range(_ROUNDS):
            _forget(files)
            disk.append(gigabytes / _seconds(lambda: _together(files, _read)))
            _forget(files)
            cold.append(gigabytes / _seconds(lambda: _hashed(hashing, told, files)))
            _together(files, _read)
            warm.append(gigabytes / _seconds(lambda: _hashed(hashing, told, files)))
        hashing.close()
    most = min(THREADS, os.cpu_count() or 1) * core
    mine, limit = statistics.median(cold), min(statistics.median(disk), most)
    return [
        plain("sentinel-sha256-core", core, "GB/s"),
        plain("sentinel-weights-disk", statistics.median(disk), "GB/s"),
        plain("sentinel-weights-cold", mine, "GB/s"),
        at_least("sentinel-weights-cold-ratio", mine / limit, "ratio", 0.85),
        plain("sentinel-weights-warm", statistics.median(warm), "GB/s"),
        at_least("sentinel-weights-warm-ratio", statistics.median(warm) / most, "ratio", 0.85),
    ]


def _baseline(tree: Path) -> float:
    began = time.perf_counter()
    with parts(tree) as one:
        one.swept()
        return time.perf_counter() - began


def _hashed(hashing: Hashing, told: queue.SimpleQueue[Entry | None], files: list[Path]) -> None:
    for file in files:
        hashing.add(os.fsencode(file))
    for _ in files:
        entry = told.get()
        if entry is None or entry.sha256 is None:
            raise RuntimeError("a file was not hashed")


def _together(files: list[Path], work: Callable[[Path], None]) -> None:
    running = [threading.Thread(target=work, args=(file,)) for file in files]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()


def _read(file: Path) -> None:
    buffer = bytearray(1 << 20)
    with file.open("rb", buffering=0) as content:
        while content.readinto(buffer):
            pass


def _forget(files: list[Path]) -> None:
    for file in files:
        fd = os.open(file, os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(fd)


def _core() -> float:
    block, found, began = os.urandom(1 << 20), hashlib.sha256(), time.perf_counter()
    for _ in range(512):
        found.update(block)
    return (512 << 20) / 1e9 / (time.perf_counter() - began)


def _of(rounds: int, measure: Callable[[], float]) -> float:
    return statistics.median(measure() for _ in range(rounds))


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _aide(tree: Path, name: str) -> list[Figure]:
    """AIDE's init and check with the same attributes; nothing where it cannot be installed."""
    if shutil.which("aide") is None:
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "aide"], check=False)
    if shutil.which("aide") is None:
        return []
    with tempfile.TemporaryDirectory() as place:
        rules = Path(place) / "aide.conf"
        rules.write_text(
            f"database_in=file:{place}/in\ndatabase_out=file:{place}/out\ngzip_dbout=no\n"
            f"{tree} p+u+g+s+m+c+i+n+acl+xattrs+sha256\n"
        )
        command = ["aide", f"--config={rules}"]
        init = _seconds(lambda: _quietly([*command, "--init"]))
        (Path(place) / "out").rename(Path(place) / "in")
        check = _seconds(lambda: _quietly([*command, "--check"]))
    return [
        plain(f"sentinel-aide-init-{name}", init, "s", peer="aide --init"),
        plain(f"sentinel-aide-check-{name}", check, "s", peer="aide --check"),
    ]


def _quietly(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr.decode("utf-8", "replace") or done.stdout.decode("utf-8", "replace"))
