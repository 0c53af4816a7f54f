"""Which source of events this host allows: fanotify where it really works, inotify for what it does not reach."""

from __future__ import annotations

import contextlib
import os
import platform
import select
import shutil
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from service.sentinel.configuration import Configuration
from service.sentinel.event import Event, Gap, Named, Source, WatchLimit
from service.sentinel.fanotify import Fanotify
from service.sentinel.filesystems import Unmarkable
from service.sentinel.inotify import Inotify

_PROOF_SECONDS = 2.0


class Both:
    """fanotify, and inotify for the roots whose file system fanotify cannot mark."""

    name = "fanotify"

    def __init__(self, fanotify: Fanotify) -> None:
        self._fanotify = fanotify
        self._inotify: Inotify | None = None
        self._lock = threading.Lock()
        self._ready = select.epoll()
        self._ready.register(fanotify.fileno(), select.EPOLLIN)
        self.by_inotify: dict[bytes, str] = {}
        """The roots that inotify watches, and why."""

    @property
    def watches(self) -> int:
        return self._fanotify.watches + (self._inotify.watches if self._inotify else 0)

    def fileno(self) -> int:
        return self._ready.fileno()

    def watch(self, root: bytes) -> None:
        try:
            self._fanotify.watch(root)
            self.by_inotify.pop(root, None)
        except Unmarkable as error:
            self._fall_back(root, str(error))

    def forget(self, root: bytes) -> None:
        self.by_inotify.pop(root, None)
        self._fanotify.forget(root)
        if self._inotify:
            self._inotify.forget(root)

    def linked(self, path: bytes, *, again: bool) -> bool:
        return self._fanotify.linked(path, again=again)

    def read(self) -> Sequence[Event | Gap | Named]:
        told = list(self._fanotify.read())
        while self._fanotify.refused:
            root, why = self._fanotify.refused.popitem()
            self._fanotify.forget(root)
            try:
                self._fall_back(root, why)
            except WatchLimit as limit:
                why = f"{why}; {limit}"
            told.append(Gap(root, f"watched by inotify from here on: {why}", time.time()))
        if self._inotify:
            told += self._inotify.read()
        return told

    def close(self) -> None:
        self._ready.close()
        self._fanotify.close()
        if self._inotify:
            self._inotify.close()

    def _fall_back(self, root: bytes, why: str) -> None:
        self.by_inotify[root] = why
        with self._lock:
            if self._inotify is None:
                self._inotify = Inotify()
                self._ready.register(self._inotify.fileno(), select.EPOLLIN)
        self._inotify.watch(root)


def chosen(configuration: Configuration, place: Path | None = None) -> tuple[Source, str]:
    """The source, and a sentence that says why this one. `place`: a directory to try fanotify in; by default TMPDIR.

    Raises WatchLimit, where not even inotify can be had.
    """
    if configuration.source == "inotify":
        return Inotify(), "inotify, as the settings say"
    fanotify, why_not = _tried(place)
    if fanotify:
        return Both(fanotify), "fanotify: the kernel tells of every change on the file systems that the roots lie on"
    wanted = "although the settings ask for fanotify" if configuration.source == "fanotify" else "not fanotify"
    return Inotify(), f"inotify, {wanted}: {why_not}; what is made and removed within a new directory can go unseen"


def _tried(place: Path | None) -> tuple[Fanotify | None, str]:
    """fanotify, after it has told of a file that was gone before anybody could look, or why it is not to be trusted."""
    try:
        fanotify = Fanotify()
    except OSError as error:
        return None, f"the kernel ({platform.release()}) or the unit's rights refuse it: {error.strerror}"
    directory = os.fsencode(tempfile.mkdtemp(prefix="casemate-sentinel-", dir=place))
    expected = [(directory + b"/new", "created"), (directory + b"/new/file", "removed")]
    try:
        fanotify.watch(directory)
        Path(os.fsdecode(directory), "new").mkdir()
        Path(os.fsdecode(directory), "new", "file").write_bytes(b"")
        Path(os.fsdecode(directory), "new", "file").unlink()
        Path(os.fsdecode(directory), "new").rmdir()
        end = time.monotonic() + _PROOF_SECONDS
        while expected and time.monotonic() < end:
            select.select([fanotify], [], [], 0.1)
            told = {(one.path, one.what) for one in fanotify.read() if isinstance(one, Event)}
            expected = [one for one in expected if one not in told]
        why = "it told nothing of a file that was made and removed"
    except (Unmarkable, OSError) as error:
        why = str(error)
    finally:
        with contextlib.suppress(OSError):
            shutil.rmtree(directory)
    if not expected:
        fanotify.forget(directory)
        return fanotify, ""
    fanotify.close()
    return None, why
