"""Where the chain stands: the one small file beside a log that its writers lock, read and write again."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.ledger.chain import START, LedgerError

_SIZE = 256  # One write within one page: a killed process leaves the old head or the new one, never half of each.


@dataclass(frozen=True)
class Head:
    """What the next line needs: its number, the fingerprint of the line before it, its key."""

    seq: int
    prev: str
    key: bytes


def beside(log: Path) -> Path:
    """`audit.jsonl` has its head in `audit.jsonl.head` (0600)."""
    return log.with_name(log.name + ".head")


def first_key(log: Path) -> Path:
    """`audit.jsonl` has key 0 in `audit.jsonl.key` (0400), until the operator takes it away."""
    return log.with_name(log.name + ".key")


def read_key(path: Path) -> bytes:
    """The key in a file. Raises LedgerError when it is none, OSError when it cannot be read."""
    try:
        return bytes.fromhex(path.read_text(encoding="ascii"))
    except ValueError as error:
        raise LedgerError(f"{path} is no key, expected 64 hexadecimal digits") from error


def observe(log: Path) -> tuple[Head | None, int]:
    """The head of a log (None: there is none) and the bytes that the log had at that moment, no writer in between."""
    try:
        with beside(log).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH)
            content, size = file.read(), log.stat().st_size if log.exists() else 0
            return (_parse(content, log) if content else None), size
    except FileNotFoundError:
        return None, log.stat().st_size if log.exists() else 0


def store(fd: int, head: Head) -> None:
    """Write the head over the old one; `fd` is what `locked` yielded."""
    text = json.dumps({"seq": head.seq, "prev": head.prev, "key": head.key.hex()})
    os.pwrite(fd, text.ljust(_SIZE - 1).encode("ascii") + b"\n", 0)


@contextlib.contextmanager
def locked(log: Path) -> Iterator[tuple[int, Head]]:
    """Hold the log for this process alone; a log that has none yet gets its head and its first key."""
    fd = os.open(beside(log), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        content = os.pread(fd, _SIZE, 0)
        yield fd, _parse(content, log) if content else _begin(fd, log)
    finally:
        os.close(fd)


def _begin(fd: int, log: Path) -> Head:
    if log.exists() and log.stat().st_size:
        raise LedgerError(
            f"{log} has lines but no head ({beside(log)}); next: move the log away, or bring its head back"
        )
    key = _keep(first_key(log))
    head = Head(0, START, key)
    store(fd, head)
    return head


def _keep(path: Path) -> bytes:
    key = secrets.token_bytes(32)
    path.unlink(missing_ok=True)  # Of a start that died before its head was written: no line was made with it.
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    try:
        os.write(fd, key.hex().encode("ascii") + b"\n")
    finally:
        os.close(fd)
    return key


def _parse(content: bytes, log: Path) -> Head:
    try:
        fields = json.loads(content)
        return Head(int(fields["seq"]), str(fields["prev"]), bytes.fromhex(fields["key"]))
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"{beside(log)} is damaged; next: move it and {log.name} away, a new chain begins") from error
