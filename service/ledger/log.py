"""Adding lines."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from service.ledger.chain import LONGEST_LINE, LedgerError, fingerprint, parse, seal, sealed_by, successor
from service.ledger.head import Head, locked, store


class Ledger:
    """A log that several threads and processes may append to.

    Once a method has returned, its lines survive the death of this process, SIGKILL included; with `sync=True` also
    the death of the machine. A line that a killed writer left half written was never promised: the next append removes
    it and says so in its own field `torn` (bytes). The file may be renamed away at any time (logrotate with `create`
    or `nocreate` and `delaycompress`, never `copytruncate`): the next line goes into a new file and continues the
    chain.
    """

    def __init__(self, path: Path, *, sync: bool = False) -> None:
        self.path = path
        self._sync = sync
        self._thread = threading.Lock()

    def append(self, fields: Mapping[str, Any]) -> int:
        """Add one line and return its `seq`. Raises LedgerError; then no line was added, and nothing was lost."""
        return self.append_all([fields])[0]

    def append_all(self, lines: Sequence[Mapping[str, Any]]) -> range:
        """Add several lines at once, by one write and one sync, and return their `seq`s.

        Raises LedgerError; then none of them was added. Of a writer that was killed before this returned, the first of
        them may be there, as whole lines of the chain.
        """
        if not lines:
            return range(0)
        try:
            with self._thread, locked(self.path) as (head_fd, head):
                fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
                try:
                    torn = _drop_half_line(fd, self.path)
                    head = _catch_up(fd, head)
                    return self._add(fd, head_fd, head, [{**lines[0], "torn": torn}, *lines[1:]] if torn else lines)
                finally:
                    os.close(fd)
        except (OSError, ValueError, TypeError) as error:
            raise LedgerError(
                f"{self.path}: no line could be added: {error}; next: check the disk and the fields"
            ) from error

    def _add(self, fd: int, head_fd: int, head: Head, lines: Sequence[Mapping[str, Any]]) -> range:
        now = datetime.now(timezone.utc).isoformat(timespec="microseconds")
        seq, prev, key = head.seq, head.prev, head.key
        sealed = []
        for fields in lines:
            line = seal(seq, now, fields, prev, key)
            if len(line) >= LONGEST_LINE:
                raise ValueError(f"the line has {len(line)} bytes, expected less than {LONGEST_LINE}")
            sealed.append(line)
            seq, prev, key = seq + 1, fingerprint(line), successor(key)
        content = b"\n".join(sealed) + b"\n"
        before = os.fstat(fd).st_size
        try:
            if os.write(fd, content) != len(content):
                raise OSError("the disk took a part of the lines")
            if self._sync:
                os.fsync(fd)
            store(head_fd, Head(seq, prev, key))
        except OSError:
            os.ftruncate(fd, before)
            raise
        return range(head.seq, seq)


def _drop_half_line(fd: int, path: Path) -> int:
    """Remove what a killed writer left without a newline at the end; return its bytes."""
    size = os.fstat(fd).st_size
    rest = _tail(fd, size).rpartition(b"\n")[2]
    if len(rest) >= LONGEST_LINE:
        raise LedgerError(f"{path} ends in {len(rest)} bytes that are no line; next: casemate-ledger verify {path}")
    if rest:
        os.ftruncate(fd, size - len(rest))
    return len(rest)


def _catch_up(fd: int, head: Head) -> Head:
    """Take note of whole lines that the head does not know yet: their writer, or the machine, died in between."""
    size = os.fstat(fd).st_size
    last = parse(_tail(fd, size)[:-1].rpartition(b"\n")[2])
    if last is None or last["seq"] < head.seq:
        return head
    for line in _from(fd, size, head.seq).splitlines():
        found = parse(line)
        if found and (found["seq"], found["prev"]) == (head.seq, head.prev) and sealed_by(line, head.key):
            head = Head(head.seq + 1, fingerprint(line), successor(head.key))
    return head


def _from(fd: int, size: int, seq: int) -> bytes:
    """The end of the file, from line `seq` or an earlier one on: what is unknown is a group at most, not the file."""
    window = LONGEST_LINE
    while window < size:
        content = os.pread(fd, window, size - window)
        first = parse(content.split(b"\n", 2)[1])
        if first and first["seq"] <= seq:
            return content
        window *= 2
    return os.pread(fd, size, 0)


def _tail(fd: int, size: int) -> bytes:
    return os.pread(fd, LONGEST_LINE, max(0, size - LONGEST_LINE))
