"""The directories of the host that an overlay makes a container's file system of, and what they show inside."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Shows = Literal["this", "removed", "replaced", "hidden"]
"""What a container sees of a path in one of its layers: `this` is what lies there; a whiteout means that it is
`removed`; an opaque directory is `replaced`: nothing that the image has in it is seen; of what is `hidden` it sees
nothing, because a layer above has something else there."""

_OPAQUE = ("trusted.overlay.opaque", "user.overlay.opaque")
_WHITEOUT = ("trusted.overlay.whiteout", "user.overlay.whiteout")


@dataclass(frozen=True)
class Layers:
    """Absolute paths on the host. What is written goes to `upper`; `lowers` are the image's, topmost first.

    `merged` is where the whole is mounted; None while it is mounted nowhere that this process sees.
    """

    upper: bytes
    lowers: tuple[bytes, ...]
    merged: bytes | None = None

    def inside(self, path: bytes) -> bytes | None:
        """The path that the container sees for a path of the host; None when it is in none of the directories."""
        for root in (self.upper, self.merged, *self.lowers):
            if root and (path == root or path.startswith(root + b"/")):
                return path[len(root) :] or b"/"
        return None

    def shows(self, path: bytes) -> Shows:
        """What the container sees of `path`, which lies in upper or a lower, as it is now."""
        own = next((root for root in (self.upper, *self.lowers) if path == root or path.startswith(root + b"/")), None)
        if own is None:
            return "this"
        relative = path[len(own) :]
        for above in (self.upper, *self.lowers):
            if above == own:
                break
            if _covers(above, relative):
                return "hidden"
        status = _status(path)
        if status and is_whiteout(path, status):
            return "removed"
        return "replaced" if status and _is_opaque(path, status) else "this"

    def below(self, inside: bytes) -> os.stat_result | None:
        """What the image has at a path inside, upper aside; None when it has nothing there."""
        for root in self.lowers:
            status = _status(root + inside)
            if status:
                return None if is_whiteout(root + inside, status) else status
            if _covers(root, inside):
                return None
        return None


def of_driver(inspected: dict[str, Any]) -> Layers | None:
    """By Docker's overlay2 driver: `inspected` is `docker container inspect`. None where it tells none."""
    told = inspected.get("GraphDriver") or {}
    data = told.get("Data") or {}
    if told.get("Name") != "overlay2" or not data.get("UpperDir"):
        return None
    lowers = tuple(os.fsencode(one) for one in data.get("LowerDir", "").split(":") if one)
    merged = os.fsencode(data["MergedDir"]) if inspected["State"]["Running"] else None
    return Layers(os.fsencode(data["UpperDir"]), lowers, merged)


def of_process(pid: int, proc: Path = Path("/proc")) -> Layers | None:
    """By the mount that is a process's root: for containerd's image store, of which the engine tells no directories."""
    root = next((mount for mount in _mounts(proc / str(pid) / "mountinfo") if mount.point == b"/"), None)
    if root is None or root.kind != b"overlay":
        return None
    place = next((mount.point for mount in _mounts(proc / "self" / "mountinfo") if mount.device == root.device), None)
    upper = root.options.get(b"upperdir", [b""])[0]
    bases = [os.path.dirname(os.path.dirname(one)) for one in (upper, place) if one and one.startswith(b"/")]
    found = [_absolute(one, bases) for one in [upper, *root.options.get(b"lowerdir", [])]]
    return Layers(found[0], tuple(found[1:]), place) if upper else None


def mount_points(pid: int, proc: Path = Path("/proc")) -> set[bytes]:
    """Where something is mounted in the file system that a process sees; empty when there is no such process."""
    return {mount.point for mount in _mounts(proc / str(pid) / "mountinfo")}


def is_whiteout(path: bytes, status: os.stat_result) -> bool:
    """An overlay's word for "removed": a character device 0/0, or an empty file with an attribute of it."""
    if stat.S_ISCHR(status.st_mode):
        return status.st_rdev == 0
    return stat.S_ISREG(status.st_mode) and status.st_size == 0 and any(_attribute(path, name) for name in _WHITEOUT)


def _is_opaque(path: bytes, status: os.stat_result) -> bool:
    return stat.S_ISDIR(status.st_mode) and any(_attribute(path, name) == b"y" for name in _OPAQUE)


def _covers(root: bytes, relative: bytes) -> bool:
    """Whether a layer has something at, or on the way to, `relative` beside which a lower layer is not seen."""
    names = [name for name in relative.split(b"/") if name]
    place = root
    for number, name in enumerate(names, start=1):
        place += b"/" + name
        status = _status(place)
        if status is None:
            return False
        if not stat.S_ISDIR(status.st_mode):
            return True
        if number < len(names) and _is_opaque(place, status):
            return True
    return False


def _status(path: bytes) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _attribute(path: bytes, name: str) -> bytes | None:
    try:
        return os.getxattr(path, name, follow_symlinks=False)
    except OSError:
        return None


@dataclass(frozen=True)
class _Mount:
    point: bytes
    device: bytes
    kind: bytes
    options: dict[bytes, list[bytes]]


def _mounts(mountinfo: Path) -> Iterator[_Mount]:
    try:
        lines = mountinfo.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        fields, _, rest = line.partition(b" - ")
        words, told = fields.split(b" "), rest.split(b" ")
        if len(words) > 4 and len(told) > 2:
            yield _Mount(_unescaped(words[4]), words[2], told[0], _options(told[2]) if told[0] == b"overlay" else {})


def _options(text: bytes) -> dict[bytes, list[bytes]]:
    """`lowerdir=a:b,upperdir=c`, and of newer kernels `lowerdir+=a,lowerdir+=b`; topmost first."""
    found: dict[bytes, list[bytes]] = {}
    for option in text.split(b","):
        name, _, value = option.partition(b"=")
        whole = _unescaped(value)
        parts = re.split(rb"(?<!\\):+", whole) if name == b"lowerdir" else [whole]
        found.setdefault(name.rstrip(b"+"), []).extend(re.sub(rb"\\(.)", rb"\1", part) for part in parts)
    return found


def _unescaped(text: bytes) -> bytes:
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), text)


def _absolute(path: bytes, bases: list[bytes]) -> bytes:
    """A layer's own directory: the engine shortens what it mounts by links, and by paths that begin in a base."""
    whole = next((base + b"/" + path for base in bases if os.path.exists(base + b"/" + path)), path)
    return os.path.realpath(path if path.startswith(b"/") else whole)
