"""The inotify watches: on every directory below the roots, and on every directory that leads to one."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterable, Iterator, Set
from pathlib import Path

from inotify_simple import INotify, flags

from service.sentinel.event import WatchLimit
from service.sentinel.mounts import Mount
from service.sentinel.told import CREATE, DELETE, ONDIR, STRUCTURE, Told
from service.sentinel.tree import Tree
from service.sentinel.way import Way

SLICE = 256
"""Directories that are entered before others have their turn."""
_ADD = int(flags.MASK_ADD)
_ALL = STRUCTURE | int(flags.CLOSE_WRITE | flags.MODIFY | flags.ATTRIB | flags.DELETE_SELF | flags.MOVE_SELF)
_VANISHED = (FileNotFoundError, NotADirectoryError)


class Watches:
    """Raises WatchLimit nowhere: `limit` holds it, and a gap is told of where it struck."""

    def __init__(self, inotify: INotify, told: Told, mounts: Iterable[Mount]) -> None:
        self._inotify = inotify
        self._told = told
        self.tree = Tree()
        self.roots: dict[bytes, int] = {}  # the watch at each, 0 where nothing lies
        self.ways: dict[int, dict[bytes, dict[bytes, bool]]] = {}  # names in a directory that lead to roots; the last?
        self.dying: set[int] = set()  # IN_IGNORED is to come for these
        self.limit: WatchLimit | None = None
        self.remounted(mounts)

    def remounted(self, mounts: Iterable[Mount]) -> None:
        """Where a walk must not enter is known anew."""
        self._skip = frozenset(one.point for one in mounts if not one.walked)

    def anchor(self, root: bytes, at: float | None = None, again: bool = False) -> Iterator[None]:
        """Watch the way to a root, what lies there now and all below it, each before it is listed.

        `at`: tell what is found below it. `again`: look below what is watched already. A step is a slice of the work.
        """
        now: set[tuple[int, bytes]] = set()

        def before(directory: bytes, name: bytes, last: bool) -> None:
            with contextlib.suppress(*_VANISHED), _opened(directory, os.O_PATH) as here:
                wd = self._add(here, _ALL if last else STRUCTURE)
                self.ways.setdefault(wd, {}).setdefault(name, {})[root] = last
                now.add((wd, name))

        top, walk = 0, None
        try:
            way = Way(root, before)
            if way.exists and stat.S_ISDIR(os.lstat(root).st_mode):
                top, names = self._enter(root, 0, root, at, again)
                walk = self._walk(root, top, names, at, again)
            elif way.exists:
                with _opened(root, os.O_PATH) as here:
                    top = self._add(here)
                    self._place(top, here, 0, root)
        except WatchLimit as limit:
            self._stop(root, limit)
        except _VANISHED:
            pass  # Its way will tell.
        except OSError as error:
            self._told.gap(root, f"it cannot be watched: {error.strerror}")
        previous, self.roots[root] = self.roots.get(root, 0), top
        if at is not None and top != previous:
            kind = ONDIR if walk else 0
            self._told.event(root, (CREATE if top else DELETE) | kind, at)
        if previous not in (0, top) and self.tree.untop(previous, root):
            self.unwatch([previous])
        self._unway(root, now)
        if walk:
            yield from walk

    def forget(self, root: bytes) -> None:
        """Take away what only this root needs."""
        wd = self.roots.pop(root, 0)
        self._unway(root)
        if wd and self.tree.untop(wd, root):
            self.unwatch([wd])
            self.unwatch(self.tree.lost())

    def grow(self, path: bytes, parent: int, name: bytes, at: float, again: bool) -> Iterator[None]:
        """Watch a directory that appeared, and all below it; tell what is found."""
        wd, names = self._enter(path, parent, name, at, again)
        yield from self._walk(path, wd, names, at, again)

    def still(self, wd: int, path: bytes) -> bool:
        """False: what was watched at the path went somewhere else, and is watched no more."""
        with contextlib.suppress(OSError, WatchLimit), _opened(path, os.O_PATH) as here:
            if self._add(here) == wd:
                return True
        if self.tree.drop(wd, path):
            self.unwatch([wd])
        return False

    def unwatch(self, wds: Iterable[int]) -> None:
        """Take watches out of the tree, and away unless they are on the way to a root."""
        for wd in wds:
            self.tree.remove(wd)
            if wd not in self.ways:
                self.dying.add(wd)
                with contextlib.suppress(OSError):  # It went by itself.
                    self._inotify.rm_watch(wd)

    def _walk(self, path: bytes, wd: int, names: list[bytes], at: float | None, again: bool) -> Iterator[None]:
        waiting, entered = [(path.rstrip(b"/"), wd, names)], 0
        while waiting:
            directory, parent, names = waiting[-1]
            if not names:
                waiting.pop()
                continue
            name = names.pop()
            path = directory + b"/" + name
            wd, inside = self._enter(path, parent, name, at, again)
            if self.limit:
                return
            if inside:
                waiting.append((path, wd, inside))
            entered += 1
            if entered % SLICE == 0:
                yield
                # What was renamed meanwhile is walked at its new name.
                waiting = [one for one in waiting if (one[0] or b"/") in self.tree.paths(one[1])]

    def _enter(self, path: bytes, parent: int, name: bytes, at: float | None, again: bool) -> tuple[int, list[bytes]]:
        """Watch one directory. Gives the watch, 0 if there is none, and the directories in it that are to be walked."""
        if path in self._skip and path not in self.roots:
            return 0, []
        try:
            with _opened(path, os.O_RDONLY | os.O_DIRECTORY) as here:
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
                            self._told.event(os.path.join(path, found), CREATE | (ONDIR if is_directory else 0), at)
                return wd, directories
        except WatchLimit as limit:
            self._stop(path, limit)
        except _VANISHED:
            pass
        except OSError as error:
            if error.errno != errno.ELOOP:  # A link took its place.
                self._told.gap(path, f"it cannot be watched: {error.strerror}")
        return 0, []

    def _add(self, here: int, mask: int = _ALL) -> int:
        """Through the descriptor, so that what is watched is what was opened."""
        try:
            return int(self._inotify.add_watch(b"/proc/self/fd/%d" % here, mask | _ADD))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            raise limit("max_user_watches") from None

    def _place(self, wd: int, here: int, parent: int, name: bytes) -> bool:
        """Note where a watch lies. True: it is a new one, what is below has to be watched, too."""
        if self.tree.has(wd, parent, name):
            return False
        paths = self.tree.paths(wd)
        if not paths:
            self.tree.remove(wd)
        for path in paths:  # Renamed, or seen at two paths?
            if not _same(path, here):
                self.tree.drop(wd, path)
        self.tree.put(wd, parent, name)
        return not paths

    def _stop(self, path: bytes, limit: WatchLimit) -> None:
        self.limit = limit
        self._told.gap(path, str(limit))

    def _unway(self, root: bytes, keep: Set[tuple[int, bytes]] = frozenset()) -> None:
        for wd, names in tuple(self.ways.items()):
            for name, roots in tuple(names.items()):
                if root in roots and (wd, name) not in keep:
                    del roots[root]
                    if not roots:
                        del names[name]
            if not names:
                del self.ways[wd]
                if wd not in self.tree:
                    self.unwatch([wd])


def limit(name: str) -> WatchLimit:
    """Says which of the kernel's settings to raise."""
    return WatchLimit(f"inotify gives no more than {setting(name)}; next: raise it in /etc/sysctl.d, or take fanotify")


def setting(name: str) -> str:
    """One of inotify's, as sysctl writes it; a unit that may not see the kernel's settings does not see its value."""
    try:
        value = Path("/proc/sys/fs/inotify", name).read_text(encoding="ascii").strip()
    except OSError:
        value = "(not to be read here)"
    return f"fs.inotify.{name}={value}"


@contextlib.contextmanager
def _opened(path: bytes, how: int) -> Iterator[int]:
    here = os.open(path, how | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield here
    finally:
        os.close(here)


def _same(path: bytes, here: int) -> bool:
    try:
        return os.path.samestat(os.lstat(path), os.fstat(here))
    except OSError:
        return False
