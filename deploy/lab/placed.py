"""Files that a lab host has before it first boots."""

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Placed:
    """One file, or a directory where its path ends with a slash."""

    content: bytes
    mode: int
    uid: int = 0


def archive(files: Mapping[str, Placed]) -> bytes:
    """A tar of `files`, by path relative to the host's root."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, placed in files.items():
            entry = tarfile.TarInfo(path.rstrip("/"))
            entry.type = tarfile.DIRTYPE if path.endswith("/") else tarfile.REGTYPE
            entry.mode, entry.uid, entry.gid = placed.mode, placed.uid, placed.uid
            entry.size = len(placed.content)
            tar.addfile(entry, io.BytesIO(placed.content))
    return buffer.getvalue()
