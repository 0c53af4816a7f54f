"""One process at a time reads and rewrites a file that several casemate commands keep."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deploy import paths


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
