"""A file from the operator's machine, resumed where the last connection was cut."""

import hashlib
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import BinaryIO

from service.release.errors import ReleaseError
from service.release.files import locked, settle
from service.release.layout import Layout
from service.release.verified import CHUNK, Verified

_HEX = re.compile(r"[0-9a-f]{64}")


def receive(layout: Layout, digest: str, size: int, offset: int, stream: BinaryIO) -> None:
    """Append `stream` to what is there of `digest`, and make a blob of it when all `size` bytes are in.

    `offset` is what the sender believes is there (`have` told it). A stream that ends early leaves what came. Raises
    ReleaseError when the content is not what its digest says, and throws it away: no more bytes would mend it.
    """
    if not _HEX.fullmatch(digest):
        raise ReleaseError(f"got digest {digest!r}, expected 64 hex digits")
    with _alone(layout.incoming / f".{digest}.lock"):
        if (layout.blobs / digest).exists():
            return
        part = layout.incoming / f"{digest}.part"
        got = _append(part, offset, size, stream)
        if got < size:
            raise ReleaseError(
                f"the connection ended at {got} of {size} bytes of {digest[:12]}; the next run goes on there"
            )
        _finish(part, digest, layout)
    (layout.incoming / f".{digest}.lock").unlink(missing_ok=True)


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """The only receiver of a digest. An earlier one hangs on a connection that is dead unnoticed: it is ended."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a+") as file:
        try:
            flock(file, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            os.kill(int(file.read()), signal.SIGTERM)
            flock(file, LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def _append(part: Path, offset: int, size: int, stream: BinaryIO) -> int:
    """What is there now, in bytes."""
    with part.open("ab") as file:
        got = file.tell()
        if got != offset:
            raise ReleaseError(f"{part.name} has {got} bytes, the sender goes on at {offset}; ask `have` again")
        while chunk := stream.read(min(CHUNK, size - got + 1)):
            file.write(chunk)
            got += len(chunk)
            if got > size:
                break
    return got


def _finish(part: Path, digest: str, layout: Layout) -> None:
    found = hashlib.sha256()
    with part.open("rb") as file:
        while chunk := file.read(CHUNK):
            found.update(chunk)
    if found.hexdigest() != digest:
        part.unlink()
        raise ReleaseError(f"got SHA-256 {found.hexdigest()[:12]}, expected {digest[:12]}; it was thrown away")
    part.chmod(0o444)
    layout.blobs.mkdir(parents=True, exist_ok=True)
    part.replace(layout.blobs / digest)
    settle(layout.blobs)
    with locked(layout.home / ".verified.lock"):
        memory = Verified(layout.verified)
        memory.note(layout.blobs / digest, digest)
        memory.keep()
