"""The last lines of a log, read from its end."""

from __future__ import annotations

from collections import deque
from pathlib import Path

from service.ledger.verification import files, lines

_WINDOW = 1 << 16  # Bytes; doubled until there are enough lines in it.


def last(log: Path, count: int) -> list[bytes]:
    """The last `count` lines without their ends, oldest first, those in turned-over files included."""
    kept: list[bytes] = []
    for path in reversed(files(log)):
        kept = _last_of(path, count - len(kept)) + kept
        if len(kept) >= count:
            break
    return kept


def _last_of(path: Path, count: int) -> list[bytes]:
    if path.suffix == ".gz":
        return [line.rstrip(b"\n") for line in deque(lines(path), maxlen=count)]
    with path.open("rb") as file:
        size = file.seek(0, 2)
        window = min(size, _WINDOW)
        while True:
            file.seek(size - window)
            found = file.read(window).removesuffix(b"\n").split(b"\n")
            if window == size:
                return found[-count:] if size else []
            if len(found) > count:
                return found[-count:]
            window = min(size, 2 * window)
