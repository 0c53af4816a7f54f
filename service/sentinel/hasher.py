"""A process that hashes open files for the daemon, which has the other ends of its sockets; see lanes.py.

It maps a file instead of copying it, which is a seventh quicker: but whoever maps a file is killed by the kernel
(SIGBUS) when the file is cut or its disk fails. And a thread that gives way to everybody must not hold the
interpreter's lock while it does: where all processors are busy, all of the daemon would give way with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import mmap
import os
import platform
import socket
import threading

from service.sentinel.content import cached

LAST, IDLE = "last", "idle"
"""When: nice is not enough for what may wait, who is nice keeps a processor for milliseconds from whoever wakes up.
SCHED_IDLE gives way at once. Measured on two cores: nice costs the vision service 9 to 12% of its throughput,
SCHED_IDLE at most 3%. They are two processes, for one interpreter's lock would make the former wait for the latter.
"""
SIZE = 8
"""Bytes of a question: how long the file is that comes with it."""
LONGER, CANNOT_BE_MAPPED = b"-", b"?"
"""Answers, in place of a hash."""
_WINDOW = 16 << 20
_IOPRIO_SET = {"x86_64": 251, "aarch64": 30}.get(platform.machine())
_DISK_IDLE, _DISK_LAST = 3 << 13, 2 << 13 | 7


def main(when: str, *lanes: str) -> None:
    """Descriptors of sockets: each is served by a thread that comes `last` of all, or is `idle` while anybody works."""
    for lane in lanes:
        threading.Thread(target=_serve, args=(socket.socket(fileno=int(lane)), when)).start()


def _serve(lane: socket.socket, when: str) -> None:
    stand_back()
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
    if when == IDLE:
        with contextlib.suppress(OSError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    with contextlib.suppress(OSError):
        while True:
            question, files, _, _ = socket.recv_fds(lane, SIZE, 1)
            if not question:
                break
            try:
                answer = mapped(files[0], int.from_bytes(question, "big")) or LONGER
            except Exception:  # Whatever it is, the daemon waits for an answer, and meets it again when it reads.
                answer = CANNOT_BE_MAPPED
            for fd in files:
                os.close(fd)
            lane.send(answer)
    os._exit(0)  # The daemon has gone, and nobody waits for the others either.


def mapped(fd: int, size: int) -> bytes | None:
    """The SHA-256 of a file of `size` bytes; None when it is longer. Raises OSError, and ValueError when it is shorter.

    What was not in the page cache before does not stay there; what was, stays.
    """
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_SEQUENTIAL)
    found = hashlib.sha256()
    for start in range(0, size, _WINDOW):
        length = min(_WINDOW, size - start)
        keep = cached(fd, start, length)  # Most of it: of a little the kernel has read ahead.
        # What is in memory is mapped at once; what is not, page after page: the disk goes on meanwhile.
        flags = mmap.MAP_SHARED | (mmap.MAP_POPULATE if keep else 0)
        with mmap.mmap(fd, length, flags, mmap.PROT_READ, offset=start) as window:
            found.update(window)
        if not keep:
            os.posix_fadvise(fd, start, length, os.POSIX_FADV_DONTNEED)
    return None if os.pread(fd, 1, size) else found.digest()


def stand_back(idle: bool = True) -> None:
    """This thread reads from the disk when nobody else does; not `idle`: last of all, but not never."""
    if _IOPRIO_SET is not None:
        ctypes.CDLL(None).syscall(_IOPRIO_SET, 1, 0, _DISK_IDLE if idle else _DISK_LAST)
