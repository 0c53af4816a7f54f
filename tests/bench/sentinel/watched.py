"""A hundred thousand directories: how long until they are watched, and in how much memory."""

import tempfile
from pathlib import Path

from tests.bench.figure import Figure, at_most, plain
from tests.bench.sentinel.listening import Program, listening
from tests.bench.sentinel.rivals import OURS, rivals

_WIDE, _DEEP = 100, 1000
_SECONDS = {"inotify": 6.0, "fanotify": 0.2}


def watches() -> list[Figure]:
    """Seconds and resident memory, each watcher after the others on the same tree."""
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for wide in range(_WIDE):
            for deep in range(_DEEP):
                (Path(folder) / str(wide) / f"directory-{deep}").mkdir(parents=True)
        for name, program in OURS.items():
            seconds, resident = _set_up(program, Path(folder))
            figures += [
                at_most(f"sentinel-watches-{name}", seconds, "s", _SECONDS[name]),
                at_most(f"sentinel-watches-{name}-memory", resident, "MB", 60),
            ]
        for name, program in rivals().items():
            seconds, resident = _set_up(program, Path(folder))
            figures += [
                plain("sentinel-watches", seconds, "s", name),
                plain("sentinel-watches-memory", resident, "MB", name),
            ]
    return figures


def _set_up(program: Program, directory: Path) -> tuple[float, float]:
    with listening(*program(directory)) as one:
        return one.ready, one.resident
