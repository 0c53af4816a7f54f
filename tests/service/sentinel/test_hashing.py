"""Threads that hash."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

from service.sentinel.entry import Entry
from service.sentinel.hashing import THREADS, Hashing


def test_as_many_files_as_threads_are_hashed_at_once_and_each_is_told(tmp_path: Path) -> None:
    files = [tmp_path / str(number) for number in range(THREADS)]
    for file in files:
        file.write_text(file.name)
    together, told, done = threading.Barrier(THREADS), dict[bytes, Entry | None](), threading.Event()

    def tell(path: bytes, entry: Entry | None) -> None:
        together.wait(10)  # Nobody passes before all are here.
        told[path] = entry
        if len(told) == THREADS:
            done.set()

    hashing = Hashing(tell)
    for file in files:
        hashing.add(os.fsencode(file))
    assert done.wait(10)
    hashing.close()
    hashes = {path: entry.sha256 for path, entry in told.items() if entry}
    assert hashes == {os.fsencode(file): hashlib.sha256(file.name.encode()).digest() for file in files}
