"""The ways to a process of its own that hashes: why it is one, hasher.py says."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from service.sentinel import content
from service.sentinel.hasher import CANNOT_BE_MAPPED, LONGER, SIZE

_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv.pop(1)); from service.sentinel.hasher import main; main(*sys.argv[1:])"
)
_PATIENCE = 5.0
"""Seconds without an answer, after which it is looked whether there can be one."""
_ATTEMPTS = 2
_REST = 60.0
"""Seconds without a question, after which the process ends: it holds 10 MB. A new one costs 0.1 s of a processor."""
_HERE = str(Path(__file__).parents[2])  # A directory, or the zipped program.


class Lanes:
    """So many lanes to a process that works `when`, see hasher.py; a lane is one thread's at a time.

    The process is started for the first file, and again for the first after a rest. It is ended from here, not by
    itself, so that it never ends at a question. One that has died, as it may at any file that is cut meanwhile, is
    replaced, and asked again; if that one dies too, the file is read here, in the slower way that cannot die.
    """

    def __init__(self, count: int, when: str) -> None:
        self._count, self._when = count, when
        self._turn = threading.Condition()
        self._process: subprocess.Popen[bytes] | None = None
        self._lanes: Sequence[socket.socket] = ()
        self._asking = 0
        self._asked_last = 0.0
        self._closed = False

    @property
    def pid(self) -> int | None:
        """Of the process, if there is one."""
        process = self._process  # Another thread may find it dead meanwhile.
        return process.pid if process else None

    def sha256(self, lane: int, fd: int, size: int) -> bytes | None:
        """As `content.sha256`."""
        answer = b""
        with self._held():
            for _ in range(_ATTEMPTS):
                way = self._way(lane)
                answer = self._asked(way, fd, size) if way else CANNOT_BE_MAPPED
                if answer:
                    break
                self._lost(way)
        if self._closed or answer == LONGER:
            return None
        return content.sha256(fd, size) if answer in (b"", CANNOT_BE_MAPPED) else answer

    def close(self) -> None:
        """The process ends, whatever it is at."""
        with self._turn:
            self._closed = True
            self._end()

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """It is not ended meanwhile because nobody needs it."""
        with self._turn:
            self._asking += 1
        try:
            yield
        finally:
            with self._turn:
                self._asking -= 1
                self._asked_last = time.monotonic()
                self._turn.notify_all()

    def _asked(self, way: socket.socket, fd: int, size: int) -> bytes:
        """Empty when the process has died, or was stopped by somebody: then it would be waited for in vain."""
        try:
            socket.send_fds(way, [size.to_bytes(SIZE, "big")], [fd])
            while True:
                with contextlib.suppress(TimeoutError):
                    return way.recv(64)
                if _stopped(self.pid):
                    return b""
        except OSError:
            return b""

    def _way(self, lane: int) -> socket.socket | None:
        with self._turn:
            if self._process is None and not self._closed:
                self._start()
            return self._lanes[lane] if self._lanes else None

    def _lost(self, way: socket.socket | None) -> None:
        with self._turn:
            if way in self._lanes:  # The first who notices.
                self._end()

    def _start(self) -> None:
        with contextlib.suppress(OSError), contextlib.ExitStack() as theirs:  # Without it all is read here.
            lanes, numbers = [], []
            for _ in range(self._count):
                ours, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
                ours.settimeout(_PATIENCE)
                lanes.append(ours)
                numbers.append(theirs.enter_context(other).fileno())
            command = [sys.executable, "-I", "-S", "-c", _PROGRAM, _HERE, self._when, *map(str, numbers)]
            self._process = subprocess.Popen(command, pass_fds=numbers)
            self._lanes = lanes
            threading.Thread(target=self._end_after_use, args=(self._process,), name="rest", daemon=True).start()

    def _end_after_use(self, process: subprocess.Popen[bytes]) -> None:
        with self._turn:
            while self._process is process:
                rest = None if self._asking else self._asked_last + _REST - time.monotonic()
                if rest is not None and rest <= 0:
                    self._end()
                else:
                    self._turn.wait(rest)

    def _end(self) -> None:
        """Who still waits on a lane finds it at its end."""
        for one in self._lanes:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        if self._process:
            self._process.kill()
            # A dead disk may hold it: then it is reaped when the next one is started.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
        self._lanes, self._process = (), None
        self._turn.notify_all()


def _stopped(pid: int | None) -> bool:
    """By SIGSTOP, or by a debugger."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return True  # It has gone.
    return state in "tT"
