"""Where the chain stands: the one small file beside a log that its writers lock, read and write again."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from service.ledger.chain import START, LedgerError

_PATIENCE_SECONDS = 10
_KEY_SIZE = 32
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
    """`audit.jsonl` has key 0 in `audit.jsonl.key` (0400), until the operator takes it (`take`)."""
    return log.with_name(log.name + ".key")


def read_key(path: Path) -> bytes:
    """The key in a file. Raises LedgerError when it is none, OSError when it cannot be read."""
    try:
        with os.fdopen(_plainly(path), encoding="ascii") as file:
            key = bytes.fromhex(file.read(_SIZE))
        if len(key) != _KEY_SIZE:
            raise ValueError(f"{len(key)} bytes")
        return key
    except ValueError as error:
        raise LedgerError(f"{path} is no key, expected 64 hexadecimal digits") from error


def observe(log: Path) -> tuple[Head | None, int]:
    """The head of a log (None: there is none) and the bytes that the log had at that moment, no writer in between."""
    try:
        with os.fdopen(_plainly(beside(log)), "rb") as file:
            _lock(file.fileno(), log)
            content, size = file.read(), log.stat().st_size if log.exists() else 0
            return (_parse(content, log) if content else None), size
    except FileNotFoundError:
        return None, log.stat().st_size if log.exists() else 0


def peek(log: Path) -> Head | None:
    """The head of a log as it is in this moment, whoever writes; None: there is none."""
    try:
        with os.fdopen(_plainly(beside(log)), "rb") as file:
            content = file.read(_SIZE)
            return _parse(content, log) if content else None
    except FileNotFoundError:
        return None


def begin(log: Path) -> None:
    """Give a log that has no line yet its head and its key 0, so that the key can be taken before there is one."""
    with locked(log):
        pass


def take(log: Path, digest: str) -> bool:
    """Forget key 0 beside the log if it is the one with this SHA-256: whoever asks keeps it. False: it is another one.

    Under the writers' lock: a chain that begins anew in this moment keeps its new key.
    """
    with os.fdopen(_plainly(beside(log)), "rb") as head:
        _lock(head.fileno(), log)
        try:
            key = read_key(first_key(log))
        except FileNotFoundError:
            return True
        if not hmac.compare_digest(hashlib.sha256(key).hexdigest(), digest):
            return False
        first_key(log).unlink()
    return True


def store(fd: int, head: Head) -> None:
    """Write the head over the old one; `fd` is what `locked` yielded."""
    text = json.dumps({"seq": head.seq, "prev": head.prev, "key": head.key.hex()})
    os.pwrite(fd, text.ljust(_SIZE - 1).encode("ascii") + b"\n", 0)


@contextlib.contextmanager
def locked(log: Path) -> Iterator[tuple[int, Head]]:
    """Hold the log for this process alone; a log that has none yet gets its head and its first key."""
    fd = os.open(beside(log), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
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
    key = secrets.token_bytes(_KEY_SIZE)
    path.unlink(missing_ok=True)  # Of a start that died before its head was written: no line was made with it.
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
    try:
        os.write(fd, key.hex().encode("ascii") + b"\n")
    finally:
        os.close(fd)
    return key


def _plainly(path: Path) -> int:
    """Open for reading. Readers are root in somebody else's directory: no link leads them, and no pipe holds them."""
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)


def _lock(fd: int, log: Path) -> None:
    """The writers' lock, for a reader, who does not wait for ever on a writer that was stopped."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while True:
        try:
            return fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise LedgerError(
                    f"{log} has been held by a writer for {_PATIENCE_SECONDS} s; next: see whether it was stopped"
                ) from None
        time.sleep(0.01)


def _parse(content: bytes, log: Path) -> Head:
    try:
        fields = json.loads(content)
        return Head(int(fields["seq"]), str(fields["prev"]), bytes.fromhex(fields["key"]))
    except (ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"{beside(log)} is damaged; next: move it and {log.name} away, a new chain begins") from error
