"""Events from inotify: a watch on every directory below the roots, and on every directory that leads to one."""

from __future__ import annotations

import contextlib
import errno
import os
import select
import stat
import struct
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence, Set
from pathlib import Path

import inotify_simple
from inotify_simple import flags

from service.sentinel.event import Event, Gap, WatchLimit, What
from service.sentinel.mounts import Mount, Mounts, is_below, only_swept
from service.sentinel.tree import Tree
from service.sentinel.way import Way

_STRUCTURE = int(flags.CREATE | flags.DELETE | flags.MOVED_FROM | flags.MOVED_TO)
_MASK = int(
    _STRUCTURE | flags.CLOSE_WRITE | flags.MODIFY | flags.ATTRIB | flags.DELETE_SELF | flags.MOVE_SELF | flags.MASK_ADD
)
_ISDIR, _APPEARED = int(flags.ISDIR), int(flags.CREATE | flags.MOVED_TO)
_LOST = int(flags.Q_OVERFLOW | flags.UNMOUNT | flags.IGNORED)
_WHAT: tuple[tuple[int, What], ...] = (
    (_APPEARED, "created"),
    (int(flags.MODIFY | flags.CLOSE_WRITE), "changed"),
    (int(flags.ATTRIB), "metadata"),
    (int(flags.DELETE | flags.MOVED_FROM), "removed"),
)
_HEADER = struct.Struct("iIII")
_LIMITS = Path("/proc/sys/fs/inotify")
_MOST_WAITING = 2 << 20
"""Bytes of events that are held while directories are being watched; what is more waits in the kernel."""
_MOST_TOLD = 50_000
_VANISHED = (FileNotFoundError, NotADirectoryError)


class Inotify:
    """One inotify instance. Raises WatchLimit where the kernel gives no more of them."""

    name = "inotify"

    def __init__(self) -> None:
        try:
            self._inotify = inotify_simple.INotify(nonblocking=True)
        except OSError as error:
            if error.errno != errno.EMFILE:
                raise
            raise _limit("max_user_instances") from None
        self._lock = threading.Lock()
        self._mounts = Mounts()
        self._more = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._ready = select.epoll()
        self._ready.register(self._inotify.fileno(), select.EPOLLIN)
        self._ready.register(self._mounts.waker, select.EPOLLPRI)
        self._ready.register(self._more, select.EPOLLIN)
        self._tree = Tree()
        self._roots: dict[bytes, int] = {}  # the watch at each, 0 where nothing lies
        self._ways: dict[int, dict[bytes, dict[bytes, bool]]] = {}  # names in a directory that lead to roots; the last?
        self._raw: deque[bytes] = deque()
        self._raw_size = 0
        self._told: list[Event | Gap] = []
        self._last: dict[bytes, What] = {}
        self._dying: set[int] = set()  # IN_IGNORED is to come for these
        self._left = False
        self._pruned_at = 0.0
        self._missed: str | None = None
        self._limit: WatchLimit | None = None
        self._skip = _not_walked(self._mounts.all)

    def fileno(self) -> int:
        return self._ready.fileno()

    def watch(self, root: bytes) -> None:
        with self._lock:
            self._roots.setdefault(root, 0)
            if why := only_swept(root):
                self._gap(root, why)
            self._anchor(root, None)
            self._wake()
            if limit := self._limit:
                self._limit = None
                raise limit

    def forget(self, root: bytes) -> None:
        with self._lock:
            wd = self._roots.pop(root, 0)
            self._unway(root)
            if wd and self._tree.untop(wd, root):
                self._unwatch([wd])
                self._unwatch(self._tree.lost())

    def close(self) -> None:
        self._ready.close()
        os.close(self._more)
        self._mounts.close()
        self._inotify.close()

    def read(self) -> Sequence[Event | Gap]:
        with self._lock:
            with contextlib.suppress(BlockingIOError):
                os.eventfd_read(self._more)
            self._drain()
            while self._raw and len(self._told) < _MOST_TOLD:
                data = self._raw.popleft()
                self._raw_size -= len(data)
                self._understand(data)
            changed = self._mounts.news()
            if changed is not None:
                self._skip = _not_walked(self._mounts.all)
                self._remounted(changed)
            if self._missed:
                self._catch_up(self._missed)
            if self._left and time.monotonic() > self._pruned_at + 1:
                self._unwatch(self._tree.lost())
                self._left, self._pruned_at = False, time.monotonic()
            told, self._told = self._told, []
            self._last.clear()
            self._limit = self._missed = None
            self._wake()
            return told

    def _wake(self) -> None:
        """What waits here, and not in the kernel, must make the descriptor readable too."""
        if self._raw or self._told:
            os.eventfd_write(self._more, 1)

    def _drain(self) -> None:
        while self._raw_size < _MOST_WAITING:
            try:
                data = os.read(self._inotify.fileno(), 1 << 18)
            except BlockingIOError:
                return
            self._raw.append(data)
            self._raw_size += len(data)

    def _understand(self, data: bytes) -> None:
        position, end, at = 0, len(data), time.time()
        while position < end:
            wd, mask, _cookie, size = _HEADER.unpack_from(data, position)
            position += 16 + size
            name = data[position - size : position].rstrip(b"\0")
            if mask & _LOST:
                self._lost(wd, mask)
                continue
            if wd in self._tree:
                for path in self._tree.paths(wd):
                    if name:
                        self._inside(wd, mask, path if path == b"/" else path + b"/", name, at)
                    else:
                        self._itself(wd, mask, path, at)
            elif wd not in self._ways and wd not in self._dying:
                self._missed = "inotify told of a directory that it was not asked for"
            if wd in self._ways:
                self._on_the_way(self._ways[wd].get(name, {}), mask, at)

    def _inside(self, wd: int, mask: int, directory: bytes, name: bytes, at: float) -> None:
        path = directory + name
        self._tell(path, mask, at)
        if mask & _ISDIR and mask & _APPEARED:
            self._grow(path, wd, name, at)

    def _itself(self, wd: int, mask: int, path: bytes, at: float) -> None:
        if mask & flags.MOVE_SELF:
            self._still(wd, path)
        elif mask & flags.DELETE_SELF:
            self._dying.add(wd)
        else:
            self._tell(path, mask, at)

    def _still(self, wd: int, path: bytes) -> None:
        """What went from the path to somewhere else is watched no more; what came there is told of by its name."""
        try:
            here = os.open(path, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            pass
        else:
            try:
                if self._add(here) == wd:
                    return
            finally:
                os.close(here)
        if self._tree.drop(wd, path):
            self._unwatch([wd])
            self._left = True

    def _on_the_way(self, roots: dict[bytes, bool], mask: int, at: float) -> None:
        for root, last in tuple(roots.items()):
            if last:
                self._tell(root, mask, at)
            if mask & _STRUCTURE:
                before = self._roots[root]
                self._anchor(root, at)
                if not last and self._roots[root] != before:
                    self._gap(root, "a directory that leads to it was replaced")

    def _lost(self, wd: int, mask: int) -> None:
        if mask & flags.Q_OVERFLOW:
            most = (_LIMITS / "max_queued_events").read_text().strip()
            self._missed = f"inotify's queue was full (fs.inotify.max_queued_events={most})"
            return
        if mask & flags.UNMOUNT or (wd in self._tree and wd not in self._dying):
            self._left = True
            for path in self._tree.paths(wd):
                self._gap(path, "its file system was unmounted" if mask & flags.UNMOUNT else "its watch was taken away")
        if mask & flags.UNMOUNT:
            self._dying.add(wd)
            return
        self._dying.discard(wd)
        self._tree.remove(wd)
        roots = {root for names in self._ways.pop(wd, {}).values() for root in names}
        for root in roots | {root for root, top in self._roots.items() if top == wd}:
            self._anchor(root, time.time())

    def _remounted(self, changed: list[Mount]) -> None:
        for root in self._roots:
            real = Way(root).real
            over = any(is_below(real, one.point) for one in changed)
            below = {one.point for one in changed if one.walked and one.point != real and is_below(one.point, real)}
            if over or below:
                self._anchor(root, None, again=True)
            if over:
                self._gap(root, "something was mounted or unmounted over it")
            for point in below:
                path = root + point[len(real.rstrip(b"/")) :]
                for wd in self._tree.named(os.path.basename(path)):
                    if path in self._tree.paths(wd):
                        self._still(wd, path)
                self._gap(path, "something was mounted or unmounted there")

    def _catch_up(self, why: str) -> None:
        """New directories may have been missed: they are watched first, so that the sweep after this has no holes."""
        for root in self._roots:
            self._anchor(root, None, again=True)
            self._gap(root, why)

    def _anchor(self, root: bytes, at: float | None, again: bool = False) -> None:
        """Watch the way to a root, and what lies there now; `at`: tell what is found below it."""
        now = set()

        def before(directory: bytes, name: bytes, last: bool) -> None:
            with contextlib.suppress(*_VANISHED):
                here = os.open(directory, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
                try:
                    wd = self._add(here, _MASK if last else _STRUCTURE | flags.MASK_ADD)
                finally:
                    os.close(here)
                self._ways.setdefault(wd, {}).setdefault(name, {})[root] = last
                now.add((wd, name))

        top = 0
        try:
            way = Way(root, before)
            top = self._top(root, at, again) if way.exists else 0
        except WatchLimit as limit:
            self._stop(root, limit)
        previous, self._roots[root] = self._roots[root], top
        if previous not in (0, top) and self._tree.untop(previous, root):
            self._unwatch([previous])
            self._left = True
        self._unway(root, now)

    def _top(self, root: bytes, at: float | None, again: bool) -> int:
        if stat.S_ISDIR(os.lstat(root).st_mode):
            return self._grow(root, 0, root, at, again)
        here = os.open(root, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            wd = self._add(here)
            self._place(wd, here, 0, root)
        finally:
            os.close(here)
        return wd

    def _grow(self, path: bytes, parent: int, name: bytes, at: float | None, again: bool = False) -> int:
        """Watch a directory and all below, each before it is listed. Gives its watch, 0 where none could be set."""
        top, names = self._enter(path, parent, name, at, again)
        waiting, entered = [(path.rstrip(b"/"), top, names)], 0
        while waiting:
            directory, parent, names = waiting[-1]
            if not names:
                waiting.pop()
                continue
            name = names.pop()
            path = directory + b"/" + name
            wd, inside = self._enter(path, parent, name, at, again)
            if inside:
                waiting.append((path, wd, inside))
            entered += 1
            if entered % 256 == 0:
                self._drain()  # A long walk must not fill the kernel's queue.
            if self._limit:
                break
        return top

    def _enter(self, path: bytes, parent: int, name: bytes, at: float | None, again: bool) -> tuple[int, list[bytes]]:
        if path in self._skip and path not in self._roots:
            return 0, []
        try:
            here = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            if not isinstance(error, _VANISHED) and error.errno != errno.ELOOP:
                self._gap(path, f"it cannot be watched: {error.strerror}")
            return 0, []
        try:
            wd = self._add(here)
            if not self._place(wd, here, parent, name) and not again:
                return wd, []
            directories = []
            with os.scandir(here) as entries:
                for entry in entries:
                    found = os.fsencode(entry.name)
                    is_directory = entry.is_dir(follow_symlinks=False)
                    if is_directory:
                        directories.append(found)
                    if at is not None:
                        kind = _ISDIR if is_directory else 0
                        self._tell(os.path.join(path, found), int(flags.CREATE) | kind, at)
            return wd, directories
        except WatchLimit as limit:
            self._stop(path, limit)
        except OSError as error:
            self._gap(path, f"it cannot be listed: {error.strerror}")
        finally:
            os.close(here)
        return 0, []

    def _add(self, here: int, mask: int = _MASK) -> int:
        """Through the descriptor, so that what is watched is what was opened."""
        try:
            return int(self._inotify.add_watch(b"/proc/self/fd/%d" % here, mask))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise _limit("max_user_watches") from None

    def _place(self, wd: int, here: int, parent: int, name: bytes) -> bool:
        """Note where a watch lies. True: it is a new one, what is below has to be watched, too."""
        if self._tree.has(wd, parent, name):
            return False
        paths = self._tree.paths(wd)
        if not paths:
            self._tree.remove(wd)
        for path in paths:  # Renamed, or seen at two paths?
            if not _same(path, here):
                self._tree.drop(wd, path)
        self._tree.put(wd, parent, name)
        return not paths

    def _stop(self, path: bytes, limit: WatchLimit) -> None:
        self._limit = limit
        self._gap(path, str(limit))

    def _unway(self, root: bytes, keep: Set[tuple[int, bytes]] = frozenset()) -> None:
        for wd, names in tuple(self._ways.items()):
            for name, roots in tuple(names.items()):
                if root in roots and (wd, name) not in keep:
                    del roots[root]
                    if not roots:
                        del names[name]
            if not names:
                del self._ways[wd]
                if wd not in self._tree:
                    self._unwatch([wd])

    def _unwatch(self, wds: Iterable[int]) -> None:
        for wd in wds:
            self._tree.remove(wd)
            if wd not in self._ways:
                self._dying.add(wd)
                with contextlib.suppress(OSError):  # It went by itself.
                    self._inotify.rm_watch(wd)

    def _tell(self, path: bytes, mask: int, at: float) -> None:
        for bits, what in _WHAT:
            if mask & bits and self._last.get(path) != what:
                self._last[path] = what
                self._told.append(Event(path, what, bool(mask & _ISDIR), at))

    def _gap(self, path: bytes, why: str) -> None:
        self._told.append(Gap(path, why, time.time()))


def _same(path: bytes, here: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(here))
    except OSError:
        return False


def _not_walked(mounts: Iterable[Mount]) -> frozenset[bytes]:
    return frozenset(one.point for one in mounts if not one.walked)


def _limit(name: str) -> WatchLimit:
    given = (_LIMITS / name).read_text().strip()
    return WatchLimit(
        f"inotify gives no more than fs.inotify.{name}={given}; next: raise it in /etc/sysctl.d, or take fanotify"
    )
