"""Who a process is, asked while it is still there."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

from service.sentinel.change import Who
from service.sentinel.entry import readable

_KEPT = 2.0
_MOST = 1000
_NOBODY = 0xFFFFFFFF  # The audit id of who never logged in.
_LONGEST = 4096


class Asked:
    """Answers are kept for two seconds: a process that writes a thousand files is asked once."""

    def __init__(self, proc: Path = Path("/proc"), clock: Callable[[], float] = time.monotonic) -> None:
        self._proc, self._clock = os.fsencode(proc), clock
        self._known: dict[int, tuple[float, Who]] = {}

    def of(self, pid: int) -> Who:
        """As much as can still be told; a process that is gone has only its number."""
        now = self._clock()
        found = self._known.get(pid)
        if found is None or found[0] < now:
            if len(self._known) >= _MOST:
                self._known.clear()
            found = self._known[pid] = (now + _KEPT, self._ask(pid))
        return found[1]

    def _ask(self, pid: int) -> Who:
        place = b"%s/%d/" % (self._proc, pid)
        try:
            program: str | None = readable(os.readlink(place + b"exe"))
        except OSError:  # Gone, or another's: only its short name is for everybody to read.
            program = readable(_read(place + b"comm").rstrip(b"\n")) or None
        command = tuple(readable(one) for one in _read(place + b"cmdline").rstrip(b"\0").split(b"\0") if one)
        uid = next(
            (int(line.split()[2]) for line in _read(place + b"status").splitlines() if line.startswith(b"Uid:")), None
        )
        login = _read(place + b"loginuid").strip()
        audited = int(login) if login.isdigit() and int(login) != _NOBODY else None
        return Who(pid, program, command, uid, audited)


def _read(path: bytes) -> bytes:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        return os.read(fd, _LONGEST)
    except OSError:
        return b""
    finally:
        os.close(fd)
