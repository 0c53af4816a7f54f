"""Events from fanotify: one mark for each file system on which a root lies, so that nothing has to be watched first."""

from __future__ import annotations

import contextlib
import os
import select
import struct
import threading
import time
from collections.abc import Sequence

from service.sentinel import fanotify_calls as calls
from service.sentinel.event import Event, Gap, Named
from service.sentinel.filesystems import FileSystems, Spot, Unmarkable
from service.sentinel.links import Links
from service.sentinel.mounts import Mount, Mounts, is_below, only_swept
from service.sentinel.places import OUTSIDE, Place, Places
from service.sentinel.told import (
    CHANGED,
    CREATE,
    DELETE,
    MOVED,
    MOVED_FROM,
    MOVED_TO,
    ONDIR,
    Q_OVERFLOW,
    STRUCTURE,
    Told,
)
from service.sentinel.way import Way

_EVENT = struct.Struct("=IBBHQii")  # length, version, reserved, length of this, mask, descriptor, pid
_RECORD = struct.Struct("=BBHQI")  # kind, padding, length, file system's id, bytes of the handle
_MOST_READ = 1 << 20
"""Bytes of the kernel's queue for one `read`; the queue itself has no limit, and what is left in it is not lost."""
_MOST_PARKED = 20_000
PARKED_SECONDS = 2.0

_Told = tuple[bytes, bytes, int, bytes, int, float]
"""Directory's key, name, mask, key of what it happened to (empty: not told), pid, when."""


class Fanotify:
    """Raises OSError where the kernel or the rights do not allow it; `watch` raises Unmarkable.

    Its own process's events are told too, with their pid: who took it over must not become invisible.
    """

    name = "fanotify"

    def __init__(self) -> None:
        self._fanotify = calls.init()
        self._lock = threading.Lock()
        self._mounts = Mounts()
        self._told = Told()
        self._ready = select.epoll()
        self._ready.register(self._fanotify, select.EPOLLIN)
        self._ready.register(self._mounts.waker, select.EPOLLPRI)
        self._ready.register(self._told.waker, select.EPOLLIN)
        self._filesystems = FileSystems(self._fanotify, self._mounts)
        self._places = Places(self._filesystems)
        self._links = Links()
        self._roots: set[bytes] = set()
        self._parked: dict[bytes, list[_Told]] = {}  # by the key of a directory that is gone, until told where it was
        self._parked_size = 0
        self.refused: dict[bytes, str] = {}
        """Roots that can be marked no more since something was mounted, and why."""

    @property
    def watches(self) -> int:
        return self._filesystems.marked

    def fileno(self) -> int:
        return self._ready.fileno()

    def watch(self, root: bytes) -> None:
        with self._lock:
            self._anchor(root)
            self._roots.add(root)
            if why := only_swept(root):
                self._told.gap(root, why)
                self._told.wake()

    def forget(self, root: bytes) -> None:
        with self._lock:
            self._roots.discard(root)
            self._places.take(root)
            self._links.forget(root)

    def linked(self, path: bytes, *, again: bool) -> bool:
        return self._links.put(path, again)

    def close(self) -> None:
        self._ready.close()
        self._told.close()
        self._mounts.close()
        self._filesystems.let_go()
        os.close(self._fanotify)

    def read(self) -> Sequence[Event | Gap | Named]:
        with self._lock:
            # Where a mount came or went meanwhile, paths are to be sought in what is mounted now.
            changed = self._mounts.news()
            if changed is not None:
                self._remounted(changed)
            size = 0
            try:
                while size < _MOST_READ:
                    data = os.read(self._fanotify, 1 << 18)
                    size += len(data)
                    self._understand(data)
            except BlockingIOError:
                self._give_up(time.time() - PARKED_SECONDS)
            if self._parked_size > _MOST_PARKED:
                self._give_up(float("inf"))
            self._filesystems.let_go()
            return self._told.take()

    def _understand(self, data: bytes) -> None:
        position, end, at, known, links = 0, len(data), time.time(), self._places.known, self._links
        while position < end:
            length, _version, _reserved, head, mask, _descriptor, pid = _EVENT.unpack_from(data, position)
            record, position = position + head, position + length
            if mask & Q_OVERFLOW:
                self._gaps("fanotify's queue was full")
                continue
            kind, _padding, size, _filesystem, bytes_ = _RECORD.unpack_from(data, record)
            key = data[record + 4 : record + 20 + bytes_]
            if kind != calls.DFID_NAME:  # Only the number of links to a file changed; each has an event of its own too.
                links.counted(key)
                self._by_other_name(key, mask, pid, at)
                continue
            target = data[record + size + 4 : position]  # The last record; a handle has no odd bytes to be filled up.
            if target in links.paths:
                self._by_other_name(target, mask, pid, at)
            elif mask & CREATE and links.made(target) and (found := self._filesystems.file(target)):
                self._told.named(found.st_dev, found.st_ino)
            place = known.get(key)
            if place is OUTSIDE and not mask & ONDIR:
                continue
            name = data[record + 20 + bytes_ : record + size].rstrip(b"\0")
            if place is not None and not mask & ONDIR:
                self._tell(place, name, mask, pid, at)
                continue
            self._follow((key, name, mask, target, pid, at))

    def _by_other_name(self, target: bytes, mask: int, pid: int, at: float) -> None:
        """It may be one of which nothing else will tell."""
        for path in self._links.paths.get(target, ()):
            self._told.event(path, mask & CHANGED, at, pid)

    def _follow(self, told: _Told) -> None:
        """One event that may concern where directories are, or lies in one whose place is to be found."""
        waiting, places = [told], self._places
        while waiting:
            told = waiting.pop()
            key, name, mask, target, pid, at = told
            place = places.known.get(key) or places.find(key)
            if place is None:
                self._parked.setdefault(key, []).append(told)
                self._parked_size += 1
                continue
            if mask & ONDIR and mask & STRUCTURE and target:
                self._learn(place, key, name, mask, target)
                if target in self._parked and (places.known.get(target) or places.find(target)):
                    earlier = self._parked.pop(target)
                    self._parked_size -= len(earlier)
                    waiting += [told, *reversed(earlier)]
                    continue
            self._tell(place, name, mask, pid, at)

    def _learn(self, place: Place, key: bytes, name: bytes, mask: int, target: bytes) -> None:
        """Where a directory is. One record may hold all that one process did by one name: only a removal is its end."""
        places = self._places
        if mask & MOVED:
            places.moved(target)
        if mask & MOVED == MOVED_TO and not mask & DELETE and not places.gone(target):
            return
        if mask & DELETE or not mask & MOVED_FROM:
            if place is OUTSIDE:
                places.outside(target)
            else:
                places.born(target, key, name)

    def _tell(self, place: Place, name: bytes, mask: int, pid: int, at: float) -> None:
        paths, names, deep = place
        for path in paths:
            if deep:
                self._told.gap(path, "something changed in a directory too deep for a path")
                continue
            self._told.event(path if name == b"." else os.path.join(path, name), mask, at, pid)
        for root, last in tuple(names.get(name, {}).items()):
            if last:
                self._told.event(root, mask, at, pid)
            if mask & STRUCTURE:
                self._again(root)
                if not last:
                    self._told.gap(root, "a directory that leads to it was replaced")

    def _anchor(self, root: bytes) -> None:
        """Find where a root lies, and mark that. Raises Unmarkable."""
        self._filesystems.spots(Way(root).real)  # From here on a change of the way is told.
        way = Way(root)
        spots: list[tuple[Spot, bytes]] = [(spot, root) for spot in self._filesystems.spots(way.real)]
        for mount in self._mounts.below(way.real):
            if mount.walked:
                ours = root.rstrip(b"/") + mount.point[len(way.real.rstrip(b"/")) :]
                spots += [(spot, ours) for spot in self._filesystems.spots(mount.point)]
        steps: list[tuple[Spot, bytes, bool]] = []
        for directory, name, last in way.steps:
            # A directory that something is mounted below cannot be moved away: its file system need not be seen.
            with contextlib.suppress(Unmarkable):
                steps += [(spot, name, last) for spot in self._filesystems.spots(directory)]
        self._places.put(root, spots, steps)

    def _again(self, root: bytes) -> None:
        try:
            self._anchor(root)
        except Unmarkable as error:
            self._told.gap(root, str(error))
            self.refused[root] = str(error)

    def _remounted(self, changed: list[Mount]) -> None:
        self._filesystems.remounted()
        for root in self._roots:
            self._again(root)
            real = Way(root).real
            if any(is_below(real, one.point) for one in changed):
                self._told.gap(root, "something was mounted or unmounted over it")
            for point in {one.point for one in changed if one.walked and one.point != real}:
                if is_below(point, real):
                    self._told.gap(root + point[len(real.rstrip(b"/")) :], "something was mounted or unmounted there")

    def _give_up(self, before: float) -> None:
        """All is read, and nothing told where a directory was that is gone: then anything may have been there."""
        for key, waiting in tuple(self._parked.items()):
            if waiting[0][-1] < before:
                del self._parked[key]
                self._parked_size -= len(waiting)
                # A file that outlives its directory, open and without a name, can still be written to.
                if not any(mask & STRUCTURE for _key, _name, mask, *_rest in waiting):
                    continue
                for root in self._places.on(key[:8]):
                    self._told.gap(root, "a directory was gone before it was known where it was")

    def _gaps(self, why: str) -> None:
        for root in self._roots:
            self._told.gap(root, why)
