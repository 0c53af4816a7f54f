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


def test_what_is_probably_as_it_was_is_read_when_nobody_else_has_anything_to_do(tmp_path: Path) -> None:
    file, names, read = tmp_path / "file", list[str](), threading.Event()
    file.write_text("x")

    def tell(path: bytes, entry: Entry | None) -> None:
        names.append(threading.current_thread().name)
        read.set()

    hashing = Hashing(tell)
    for idly in (True, False):
        read.clear()
        hashing.add(os.fsencode(file), idly=idly)
        assert read.wait(60)
    hashing.close()
    assert [name.partition("-")[0] for name in names] == ["rehash", "hash"]


def test_what_changed_meanwhile_does_not_wait_for_that(tmp_path: Path) -> None:
    """The idle ones are all held up; one of what waits for them is asked for at once."""
    files = [tmp_path / str(number) for number in range(THREADS + 1)]
    for file in files:
        file.write_text(file.name)
    go_on, told, wanted = threading.Event(), list[bytes](), threading.Event()

    def tell(path: bytes, entry: Entry | None) -> None:
        if threading.current_thread().name.startswith("rehash"):
            go_on.wait(60)
        told.append(path)
        if path == os.fsencode(files[-1]):
            wanted.set()

    hashing = Hashing(tell)
    for file in files:
        hashing.add(os.fsencode(file), idly=True)
    assert len(hashing) == THREADS + 1
    hashing.add(os.fsencode(files[-1]))
    assert wanted.wait(60)
    assert told == [os.fsencode(files[-1])]
    go_on.set()
    hashing.close()
