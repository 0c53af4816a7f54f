"""Which file system a path lies on, and where on it: what a mark covers and a handle leads to."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass

from service.sentinel import fanotify_calls as calls
from service.sentinel.entry import readable
from service.sentinel.mounts import Mount, Mounts, is_below

Spot = tuple[bytes, bytes]
"""A file system's id (8 bytes, as the kernel's events name it) and a path from its root on."""


class Unmarkable(Exception):
    """No events can be had of a file system; says which and why."""


class TooDeep(Exception):
    """A directory's path is longer than the kernel tells."""

    def __init__(self, above: bytes) -> None:
        super().__init__(above)
        self.above = above
        """Its nearest directory that has a path, from its file system's root on."""


@dataclass
class _FileSystem:
    mount: Mount
    opened: int = -1


class FileSystems:
    """The file systems that one fanotify descriptor has marked.

    A descriptor that keeps a mount open would keep it from being unmounted: one is held only until `let_go`.
    """

    def __init__(self, fanotify: int, mounts: Mounts) -> None:
        self._fanotify = fanotify
        self._mounts = mounts
        self._known: dict[bytes, _FileSystem] = {}
        self._widest: dict[str, Mount] = {}  # by device

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
        known = self._known.get(key[:8])
        if known is None:
            return None
        try:
            if known.opened < 0:
                known.opened = os.open(known.mount.point, os.O_RDONLY | os.O_CLOEXEC)
            if _id(os.fstatvfs(known.opened)) != key[:8]:
                return None  # Something was mounted over it just now; that is told soon.
            path, deep = _path_of(calls.open_by_handle(known.opened, key[8:]))
        except OSError:
            return None
        mount = known.mount
        if mount.root == b"/" or is_below(path, mount.point):
            path = _joined(mount.root, path[len(mount.point.rstrip(b"/")) :])
        # Outside of what is mounted the kernel gives the path on the file system.
        if deep:
            raise TooDeep(path)
        return path

    def let_go(self) -> None:
        """Close what keeps file systems from being unmounted."""
        for known in self._known.values():
            if known.opened >= 0:
                os.close(known.opened)
                known.opened = -1

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
            if known and known.mount.device != whole.device:
                raise Unmarkable(f"{_named(whole)}: its id is also that of the one at {readable(known.mount.point)}")
            if not known:
                calls.mark(self._fanotify, whole.point)
                self._known[key] = _FileSystem(whole)
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


def _path_of(here: int) -> tuple[bytes, bool]:
    """As the kernel tells it, and whether it is that of a directory above, its own being too long. Closes `here`."""
    climbed = False
    try:
        while True:
            try:
                path = os.readlink(b"/proc/self/fd/%d" % here)
                removed = path.endswith(b" (deleted)") and os.fstat(here).st_nlink == 0
                return path[: -len(b" (deleted)")] if removed else path, climbed
            except OSError as error:
                if error.errno != errno.ENAMETOOLONG:
                    raise
            above = os.open(b"..", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here, climbed = above, True
    finally:
        os.close(here)


def _id(found: os.statvfs_result) -> bytes:
    return (found.f_fsid & (1 << 64) - 1).to_bytes(8, "little")


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
