"""One process at a time reads and rewrites a file that several casemate commands keep."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy import paths
from service.release.files import settle


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold `path`, which need not be there yet, for this process; its directory is made (0700)."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    paths.STATE.chmod(0o700)
    fd = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def rewrite(path: Path, value: Any) -> None:
    """Put JSON in the place of a file that `alone` holds (0600). When this returns it is on the disk."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(json.dumps(value, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    for directory in (path.parent, path.parent.parent, paths.STATE):
        settle(directory)
