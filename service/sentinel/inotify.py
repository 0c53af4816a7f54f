"""Events from inotify."""

from __future__ import annotations

import errno
import os
import select
import struct
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence

from inotify_simple import INotify, flags

from service.sentinel.event import Event, Gap, Named
from service.sentinel.mounts import Mount, Mounts, is_below, only_swept
from service.sentinel.told import APPEARED, ONDIR, Q_OVERFLOW, STRUCTURE, Told
from service.sentinel.watches import Watches, limit, setting
from service.sentinel.way import Way

_MOVE_SELF, _DELETE_SELF = int(flags.MOVE_SELF), int(flags.DELETE_SELF)
_UNMOUNT, _IGNORED = int(flags.UNMOUNT), int(flags.IGNORED)
_HEADER = struct.Struct("iIII")  # watch, mask, cookie, bytes of the name with its zeros
_MOST_WAITING = 2 << 20
"""Bytes of events that are held while directories are being watched; what is more waits in the kernel."""
_MOST_TOLD = 30_000
_SLICES = 4
"""Of a walk after an overflow, for one read: in a storm the queue would only overflow again if nobody read it."""


class Inotify:
    """One inotify instance. Raises WatchLimit where the kernel gives no more of them."""

    name = "inotify"

    def __init__(self) -> None:
        try:
            self._inotify = INotify(nonblocking=True)
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
            raise limit("max_user_instances") from None
        self._lock = threading.Lock()
        self._mounts = Mounts()
        self._told = Told()
        self._ready = select.epoll()
        self._ready.register(self._inotify.fileno(), select.EPOLLIN)
        self._ready.register(self._mounts.waker, select.EPOLLPRI)
        self._ready.register(self._told.waker, select.EPOLLIN)
        self._watches = Watches(self._inotify, self._told, self._mounts.all)
        self._raw: deque[bytes] = deque()
        self._raw_size = 0
        self._missed: str | None = None
        self._catching_up: Iterator[None] | None = None
        self._pruned_at = 0.0
        self._left = False

    @property
    def watches(self) -> int:
        return len(self._watches.tree)

    def fileno(self) -> int:
        return self._ready.fileno()

    def watch(self, root: bytes) -> None:
        with self._lock:
            if why := only_swept(root):
                self._told.gap(root, why)
            self._watches.limit = None
            self._do(self._watches.anchor(root))
            if self._raw or len(self._told):
                self._told.wake()
            if self._watches.limit:
                raise self._watches.limit

    def forget(self, root: bytes) -> None:
        with self._lock:
            self._watches.forget(root)

    def close(self) -> None:
        self._ready.close()
        self._told.close()
        self._mounts.close()
        self._inotify.close()

    def linked(self, path: bytes, *, again: bool) -> bool:
        """It never can be: which file it was, is not told."""
        return False

    def read(self) -> Sequence[Event | Gap | Named]:
        with self._lock:
            self._watches.limit = None
            self._drain()
            while self._raw and len(self._told) < _MOST_TOLD:
                data = self._raw.popleft()
                self._raw_size -= len(data)
                self._understand(data)
            changed = self._mounts.news()
            if changed is not None:
                self._remounted(changed)
            self._catch_up()
            if self._left and time.monotonic() > self._pruned_at + 1:
                self._watches.unwatch(self._watches.tree.lost())
                self._left, self._pruned_at = False, time.monotonic()
            told = self._told.take()
            if self._raw or self._catching_up:
                self._told.wake()
            return told

    def _drain(self) -> None:
        while self._raw_size < _MOST_WAITING:
            try:
                data = os.read(self._inotify.fileno(), 1 << 16)
            except BlockingIOError:
                return
            self._raw.append(data)
            self._raw_size += len(data)

    def _do(self, walk: Iterator[None]) -> None:
        for _slice in walk:
            self._drain()  # A long walk must not fill the kernel's queue.

    def _understand(self, data: bytes) -> None:
        position, end, at = 0, len(data), time.time()
        tree, ways, told = self._watches.tree, self._watches.ways, self._told
        while position < end:
            wd, mask, _cookie, size = _HEADER.unpack_from(data, position)
            position += 16 + size
            name = data[position - size : position].rstrip(b"\0")
            if mask & (Q_OVERFLOW | _UNMOUNT | _IGNORED):
                self._lost(wd, mask)
                continue
            if wd in tree:
                for directory in tree.paths(wd):
                    if name:
                        path = directory + b"/" + name if directory != b"/" else directory + name
                        told.event(path, mask, at)
                        if mask & ONDIR and mask & APPEARED:
                            again = self._catching_up is not None
                            self._do(self._watches.grow(path, wd, name, at, again))
                    elif mask & _MOVE_SELF:
                        self._left |= not self._watches.still(wd, directory)
                    elif mask & _DELETE_SELF:
                        self._watches.dying.add(wd)
                    else:
                        told.event(directory, mask, at)
            elif wd not in ways and wd not in self._watches.dying:
                self._missed = "inotify told of a directory that it was not asked for"
            if wd in ways:
                self._on_the_way(ways[wd].get(name, {}), mask, at)

    def _on_the_way(self, roots: dict[bytes, bool], mask: int, at: float) -> None:
        for root, last in tuple(roots.items()):
            if last:
                self._told.event(root, mask, at)
            if mask & STRUCTURE:
                before = self._watches.roots[root]
                self._do(self._watches.anchor(root, at))
                if self._watches.roots[root] != before:
                    self._left = True
                    if not last:
                        self._told.gap(root, "a directory that leads to it was replaced")

    def _lost(self, wd: int, mask: int) -> None:
        watches = self._watches
        if mask & Q_OVERFLOW:
            self._missed = f"inotify's queue was full ({setting('max_queued_events')})"
            return
        if mask & _UNMOUNT or (wd in watches.tree and wd not in watches.dying):
            self._left = True
            for path in watches.tree.paths(wd):
                self._told.gap(path, "its file system was unmounted" if mask & _UNMOUNT else "its watch was taken away")
        if mask & _UNMOUNT:
            watches.dying.add(wd)
            return
        watches.dying.discard(wd)
        watches.tree.remove(wd)
        roots = {root for names in watches.ways.pop(wd, {}).values() for root in names}
        for root in roots | {root for root, top in watches.roots.items() if top == wd}:
            self._do(watches.anchor(root, time.time()))

    def _remounted(self, changed: list[Mount]) -> None:
        watches = self._watches
        watches.remounted(self._mounts.all)
        for root in tuple(watches.roots):
            real = Way(root).real
            over = any(is_below(real, one.point) for one in changed)
            below = {one.point for one in changed if one.walked and one.point != real and is_below(one.point, real)}
            if over or below:
                self._left = True
                self._do(watches.anchor(root, again=True))
            if over:
                self._told.gap(root, "something was mounted or unmounted over it")
            for point in below:
                path = root.rstrip(b"/") + point[len(real.rstrip(b"/")) :]
                for wd in watches.tree.named(os.path.basename(path)):
                    if path in watches.tree.paths(wd):
                        watches.still(wd, path)
                self._told.gap(path, "something was mounted or unmounted there")

    def _catch_up(self) -> None:
        """After an overflow new directories lack their watches: say so at once, and once more when they have them."""
        if self._missed and not self._catching_up:
            self._catching_up, self._missed = self._all_again(self._missed), None
        if self._catching_up:
            for _ in range(_SLICES):
                if next(self._catching_up, self) is self:
                    self._catching_up = None
                    break

    def _all_again(self, why: str) -> Iterator[None]:
        roots = tuple(self._watches.roots)
        for root in roots:
            self._told.gap(root, why)
        yield
        for root in roots:
            if root in self._watches.roots:
                yield from self._watches.anchor(root, again=True)
                self._told.gap(root, f"{why}; all is watched again")
