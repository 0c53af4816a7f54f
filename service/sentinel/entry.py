"""What there is to know about one path."""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

Kind = Literal["file", "directory", "link", "other"]


class Entry(NamedTuple):
    """One path as it lies on the disk. Times are nanoseconds since 1970, sizes bytes, `mode` the 12 permission bits.

    `sha256`: of a file's content, None where only its metadata is watched, or while it has not been read yet.
    `target`: where a symbolic link points to; it is never followed. `device`: of the file system it lies on; for
    devices, sockets and pipes (`other`) `special` says which (S_IFMT and st_rdev).
    `attributes`: SHA-256 of the extended attributes (capabilities and ACLs among them), None without any.
    `flags`: what chattr sets (FS_IOC_GETFLAGS), 0 where the file system has none.
    """

    kind: Kind
    mode: int
    uid: int
    gid: int
    size: int
    device: int
    inode: int
    mtime: int
    ctime: int
    sha256: bytes | None = None
    target: bytes | None = None
    attributes: bytes | None = None
    flags: int = 0
    special: int = 0

    @property
    def stamp(self) -> tuple[int, ...]:
        """What lstat alone tells: while it stays the same the content need not be read again; nobody sets a ctime."""
        return (self.mode, self.uid, self.gid, self.size, self.device, self.inode, self.mtime, self.ctime)

    def shown(self) -> dict[str, Any]:
        """For an alert: JSON values, nothing that means nothing to people."""
        told: dict[str, Any] = {"kind": self.kind, "mode": f"{self.mode:04o}", "uid": self.uid, "gid": self.gid}
        if self.kind == "file":
            told |= {"size": self.size, "mtime": self.mtime // 1_000_000_000}
        for name in ("sha256", "attributes"):
            value: bytes | None = getattr(self, name)
            if value is not None:
                told[name] = value.hex()
        if self.target is not None:
            told["target"] = readable(self.target)
        return told | ({"flags": self.flags} if self.flags else {})


_TOLD = ("kind", "mode", "uid", "gid", "sha256", "target", "attributes", "flags", "special")


def differences(before: Entry, after: Entry) -> list[str]:
    """The names of the fields in which two entries of one path differ for an alert; empty: only times, or nothing.

    A size or an mtime counts for files alone: a directory's follow from its entries, each of which is judged itself.
    A hash that has not been read yet differs from nothing.
    """
    names = [name for name in _TOLD if getattr(before, name) != getattr(after, name)]
    if "sha256" in names and before.kind == after.kind and None in (before.sha256, after.sha256):
        names.remove("sha256")
    if before.kind == after.kind == "file":
        if before.size != after.size:
            names.append("size")
        if before.mtime != after.mtime:
            names.append("mtime")
    return names


def readable(name: bytes) -> str:
    """A path for people, terminals and JSON: what is not printable UTF-8 is written as \\xNN, a backslash as \\\\."""
    text = name.decode("utf-8", "surrogateescape")
    if text.isprintable() and "\\" not in text:
        return text
    return "".join(_shown(one) for one in text)


def named(text: str) -> bytes:
    """The path that `readable` showed."""
    if "\\" not in text:
        return text.encode()
    return _ESCAPED.sub(lambda found: bytes.fromhex(found[1].decode()) if found[1] else b"\\", text.encode())


_ESCAPED = re.compile(rb"\\(?:x([0-9a-f]{2})|\\)")


def _shown(one: str) -> str:
    if one == "\\":
        return "\\\\"
    if one.isprintable():
        return one
    return "".join(f"\\x{byte:02x}" for byte in one.encode("utf-8", "surrogateescape"))
