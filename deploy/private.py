"""Directories and files that only their owner may enter or read."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile


def make_private(directory: Path) -> None:
    """Make a directory 0700, and the missing ones above it too, which `mkdir(parents=True)` would leave open to all."""
    for missing in reversed([path for path in (directory, *directory.parents) if not path.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Make a directory as `make_private` does, and keep other runs out of it meanwhile."""
    make_private(directory)
    with (directory / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_private(path: Path, content: bytes) -> None:
    """A new file (0600), whole or not at all; one that is there already, by another run a moment ago too, stays."""
    make_private(path.parent)
    with NamedTemporaryFile(dir=path.parent, prefix=".") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(file.name, path)
