"""Which file system a path lies on, and where on it: what a mark covers and a handle leads to."""

from __future__ import annotations

import contextlib
import errno
import os
import re
from dataclasses import dataclass

from service.sentinel import fanotify_calls as calls
from service.sentinel.beneath import opened
from service.sentinel.entry import readable
from service.sentinel.mounts import Mount, Mounts, is_below

Spot = tuple[bytes, bytes]
"""A file system's id (8 bytes, as the kernel's events name it) and a path from its root on."""


_ELSEWHERE = b"//"
"""The path of what is there, but below no mount on which a root lies."""


class Unmarkable(Exception):
    """No events can be had of a file system; says which and why."""


class TooDeep(Exception):
    """A directory's path is longer than the kernel tells."""

    def __init__(self, above: bytes) -> None:
        super().__init__(above)
        self.above = above
        """Its nearest directory that has a path, from its file system's root on."""


@dataclass
class _Seen:
    """A mount through which handles are resolved: to the directories below its root, and no others."""

    mount: Mount
    opened: int = -1

    def path(self, key: bytes) -> bytes | None:
        """From the file system's root on; None where it is not below this mount's. Raises OSError, TooDeep."""
        found = _found(self.open(key))
        # Of what is not below the mount the kernel tells "/", or the path on the file system, which may look alike.
        if self.mount.root != b"/" and not (is_below(found.path, self.mount.point) and found.there):
            return None
        path = _joined(self.mount.root, found.path[len(self.mount.point.rstrip(b"/")) :])
        if found.deep:
            raise TooDeep(path)
        return path

    def open(self, key: bytes) -> int:
        """A descriptor (O_PATH). Raises OSError."""
        if self.opened < 0:
            self.opened = os.open(self.mount.point, os.O_RDONLY | os.O_CLOEXEC)
        if _id(os.fstatvfs(self.opened)) != key[:8]:
            raise FileNotFoundError  # Something was mounted over it just now; that is told soon.
        return calls.open_by_handle(self.opened, key[8:])

    def let_go(self) -> None:
        if self.opened >= 0:
            os.close(self.opened)
            self.opened = -1


class FileSystems:
    """The file systems that one fanotify descriptor has marked.

    A descriptor that keeps a mount open would keep it from being unmounted: one is held only until `let_go`.
    """

    def __init__(self, fanotify: int, mounts: Mounts) -> None:
        self._fanotify = fanotify
        self._mounts = mounts
        self._known: dict[bytes, list[_Seen]] = {}
        self._widest: dict[str, Mount] = {}  # by device

    @property
    def marked(self) -> int:
        """How many file systems."""
        return len(self._known)

    def spots(self, real: bytes) -> list[Spot]:
        """Where a path without links (existing or not) lies: for an overlay, where it lies in each of its layers.

        Marks what it lies on. Raises Unmarkable.
        """
        mount = self._mounts.at(real)
        inside = real[len(mount.point.rstrip(b"/")) :]
        if mount.kind == "overlay":
            layers = _layers(mount)
            return [spot for layer in layers for spot in self.spots(os.path.realpath(layer + inside))]
        return [(self._marked(mount), _joined(mount.root, inside))]

    def path(self, key: bytes) -> bytes | None:
        """From its file system's root on, the directory with this key (file system's id and handle); None: it is gone.

        Of one that was removed and is still open somewhere the path is that where it was. Raises TooDeep.
        """
        there = False
        for seen in self._known.get(key[:8], ()):
            try:
                if path := seen.path(key):
                    return path
                there = True
            except OSError:
                continue
        return _ELSEWHERE if there else None

    def file(self, key: bytes) -> os.stat_result | None:
        """The file with this key; None: it is gone."""
        for seen in self._known.get(key[:8], ()):
            with contextlib.suppress(OSError):
                here = seen.open(key)
                try:
                    return os.fstat(here)
                finally:
                    os.close(here)
        return None

    def let_go(self) -> None:
        """Close what keeps file systems from being unmounted."""
        for known in self._known.values():
            for seen in known:
                seen.let_go()

    def remounted(self) -> None:
        """Marks go with a file system that is unmounted, and the mounts that led to handles may be others."""
        self.let_go()
        self._known.clear()
        self._widest.clear()

    def _marked(self, mount: Mount) -> bytes:
        whole = self._whole(mount)
        try:
            key = _id(os.statvfs(whole.point))
            if not any(key):
                raise Unmarkable(f"{_named(whole)}: it has no id")
            known = self._known.get(key)
            if known and known[0].mount.device != whole.device:
                raise Unmarkable(f"{_named(whole)}: its id is also that of the one at {readable(known[0].mount.point)}")
            if not known:
                calls.mark(self._fanotify, whole.point)
                known = self._known[key] = []
            if not any(is_below(mount.root, seen.mount.root) for seen in known):
                known.append(_Seen(mount if known else whole))
        except OSError as error:
            raise Unmarkable(f"{_named(whole)}: {error.strerror}") from None
        return key

    def _whole(self, mount: Mount) -> Mount:
        """The mount that shows most of the same file system: from it handles are resolved."""
        found = self._widest.get(mount.device)
        if found is None:
            same = [one for one in self._mounts.all if one.device == mount.device and self._mounts.at(one.point) is one]
            found = self._widest[mount.device] = min([*same, mount], key=lambda one: len(one.root))
        return found


def key_of(path: bytes) -> bytes:
    """The key (file system's id and handle) of what lies there, no link followed. Raises OSError."""
    here = opened(path, os.O_PATH)
    try:
        return _id(os.fstatvfs(here)) + calls.handle(here)
    finally:
        os.close(here)


@dataclass(frozen=True)
class _Found:
    """A directory's path as the kernel tells it. `deep`: of one above it, its own being too long; `there`: what lies
    at the path is that directory, or was when it was removed."""

    path: bytes
    deep: bool
    there: bool


def _found(here: int) -> _Found:
    """Closes `here`. Raises OSError."""
    deep = False
    try:
        while True:
            try:
                path = os.readlink(b"/proc/self/fd/%d" % here)
                removed = path.endswith(b" (deleted)") and os.fstat(here).st_nlink == 0
                path = path[: -len(b" (deleted)")] if removed else path
                return _Found(path, deep, removed or _is_at(here, path))
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
            above = os.open(b"..", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here, deep = above, True
    finally:
        os.close(here)


def _id(found: os.statvfs_result) -> bytes:
    return (found.f_fsid & (1 << 64) - 1).to_bytes(8, "little")


def _is_at(here: int, path: bytes) -> bool:
    try:
        return os.path.samestat(os.fstat(here), os.lstat(path))
    except OSError:
        return False


def _joined(directory: bytes, below: bytes) -> bytes:
    return directory.rstrip(b"/") + below.rstrip(b"/") or b"/"


def _named(mount: Mount) -> str:
    return f"{mount.kind} at {readable(mount.point)} cannot be marked"


def _layers(overlay: Mount) -> list[bytes]:
    """The directories that an overlay is made of, the uppermost first. Raises Unmarkable."""
    options = dict(part.partition(b"=")[::2] for part in re.split(rb"(?<!\\),", overlay.options))
    upper, lower = options.get(b"upperdir"), options.get(b"lowerdir", options.get(b"lowerdir+", b""))
    lowers = re.split(rb"(?<!\\):+", lower) if lower else []
    # Docker shortens many layers to names below the directory that holds the mount's own.
    base = os.path.dirname(os.path.dirname(overlay.point))
    layers = [os.path.join(base, re.sub(rb"\\(.)", rb"\1", one)) for one in ([upper] if upper else []) + lowers]
    for layer in layers:
        if not os.path.isdir(layer):
            raise Unmarkable(f"{_named(overlay)}: its layer {readable(layer)} cannot be seen from here")
    return layers
