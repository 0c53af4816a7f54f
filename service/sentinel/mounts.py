"""What is mounted where: /proc/self/mountinfo, which the kernel says to have changed."""

from __future__ import annotations

import os
import re
import select
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from service.sentinel.entry import readable

_MOST_KEPT = 1024
_INFO = "/proc/self/mountinfo"
_NETWORK = re.compile(r"nfs4?|cifs|smb3|smbfs|9p|ceph|afs|lustre|gpfs|beegfs|glusterfs|virtiofs|ocfs2|gfs2|orangefs")
_NETWORK_FUSE = re.compile(
    r"fuse\.(sshfs|glusterfs|ceph|s3fs|rclone|gcsfuse|goofys|juicefs|mount-s3|davfs|cephfs|blobfuse2?)"
)
_NO_FILES = re.compile(
    "proc|sysfs|cgroup2?|devpts|tracefs|debugfs|securityfs|bpf|pstore|mqueue|fusectl|configfs|nsfs|autofs|binfmt_misc"
    "|hugetlbfs|efivarfs|selinuxfs|rpc_pipefs"
)


@dataclass(frozen=True)
class Mount:
    """One line of mountinfo. `device` is `major:minor`; `root` is the directory of the file system that lies at
    `point`; `options` are the super block's, where an overlay names its layers."""

    id: int
    parent: int
    device: str
    root: bytes
    point: bytes
    kind: str
    options: bytes

    @property
    def walked(self) -> bool:
        """Whether this is looked at where it lies below a root: not what holds no files, and no container's overlay."""
        return not _NO_FILES.fullmatch(self.kind) and self.kind != "overlay"


class Mounts:
    """The mounts of this process's namespace. `waker` is a descriptor with POLLPRI when `news` has something to say."""

    def __init__(self) -> None:
        self._checked = os.open(_INFO, os.O_RDONLY | os.O_CLOEXEC)
        # Who polls a mountinfo takes the news from it: the one that wakes others must not be the one that is asked.
        self.waker = os.open(_INFO, os.O_RDONLY | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._checked, select.POLLPRI)
        self.all = mounted()
        self._index = _Index(self.all)
        self._at: dict[bytes, Mount] = {}

    def news(self) -> list[Mount] | None:
        """The mounts that came or went since; None where nothing happened.

        An id is given again: where the same list is read after a change, any but the first may be another one.
        """
        if not self._poll.poll(0):
            return None
        before, self.all = self.all, mounted()
        self._index = _Index(self.all)
        self._at.clear()
        known, now = set(before), set(self.all)
        return [one for one in (*before, *self.all) if one not in known or one not in now] or [
            one for one in self.all if one.point != b"/"
        ]

    def at(self, real: bytes) -> Mount:
        """The mount on which a path without links lies (whether it exists or not)."""
        found = self._at.get(real)
        if found is None:
            if len(self._at) > _MOST_KEPT:
                self._at.clear()
            found = self._at[real] = self._index.on(real)
        return found

    def below(self, real: bytes) -> list[Mount]:
        """What is mounted below a path without links, and seen there."""
        prefix = real.rstrip(b"/") + b"/"
        return [one for one in self.all if one.point.startswith(prefix) and self.at(one.point) is one]

    def close(self) -> None:
        os.close(self._checked)
        os.close(self.waker)


def mounted() -> list[Mount]:
    """Raises OSError."""
    return [_read(line) for line in Path(_INFO).read_bytes().splitlines()]


def on(mounts: Sequence[Mount], real: bytes) -> Mount:
    """The mount that the kernel comes to on its way to `real`."""
    return _Index(mounts).on(real)


class _Index:
    """From each mount on to the first that is met there."""

    def __init__(self, mounts: Sequence[Mount]) -> None:
        ids = {one.id for one in mounts}
        self._first = next(one for one in mounts if one.parent not in ids or one.parent == one.id)
        self._in: dict[int, list[Mount]] = {}
        for one in mounts:
            if one is not self._first:
                self._in.setdefault(one.parent, []).append(one)

    def on(self, real: bytes) -> Mount:
        here = self._first
        while met := [one for one in self._in.get(here.id, ()) if is_below(real, one.point)]:
            here = min(met, key=lambda one: len(one.point))
        return here


def only_swept(root: bytes) -> str | None:
    """Why no event tells of all changes at `root`: it lies on a network file system; None where events do.

    The daemon says so loudly once and takes each sweep of such a root for a gap.
    """
    mount = on(mounted(), os.path.realpath(root))
    if _NETWORK.fullmatch(mount.kind) or _NETWORK_FUSE.fullmatch(mount.kind):
        return (
            f"a network file system ({mount.kind}) is mounted at {readable(mount.point)}: what other machines "
            "change there raises no event here and is found by sweeps alone; next: keep it on a local disk"
        )
    return None


def is_below(path: bytes, directory: bytes) -> bool:
    """Whether `path` is the directory or lies below it."""
    return path == directory or path.startswith(directory if directory == b"/" else directory + b"/")


def _read(line: bytes) -> Mount:
    fields = line.split(b" ")
    dash = fields.index(b"-", 6)
    return Mount(
        int(fields[0]),
        int(fields[1]),
        fields[2].decode(),
        _unescaped(fields[3]),
        _unescaped(fields[4]),
        fields[dash + 1].decode(),
        fields[dash + 3],
    )


def _unescaped(text: bytes) -> bytes:
    """The kernel writes a blank, tab, newline and backslash as \\ooo."""
    return re.sub(rb"\\([0-7]{3})", lambda found: bytes([int(found[1], 8)]), text)
