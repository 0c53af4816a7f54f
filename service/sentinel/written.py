"""An entry as JSON: in the baseline's lines, and where the store keeps what the baseline says."""

from __future__ import annotations

from typing import Any

from service.sentinel.entry import Entry, named, readable


def to_fields(entry: Entry) -> dict[str, Any]:
    """What holds on any host: not where it lies on the disk, nor when that was written."""
    fields: dict[str, Any] = {"kind": entry.kind, "mode": f"{entry.mode:04o}", "uid": entry.uid, "gid": entry.gid}
    if entry.kind == "file":
        fields |= {"size": entry.size, "mtime": entry.mtime}
    if entry.sha256 is not None:
        fields["sha256"] = entry.sha256.hex()
    if entry.target is not None:
        fields["target"] = readable(entry.target)
    if entry.attributes is not None:
        fields["attributes"] = entry.attributes.hex()
    if entry.flags:
        fields["flags"] = entry.flags
    if entry.special:
        fields["special"] = entry.special
    return fields


def from_fields(fields: dict[str, Any]) -> Entry:
    """Raises KeyError, ValueError, TypeError for what `to_fields` did not write."""
    return Entry(
        kind=fields["kind"],
        mode=int(fields["mode"], 8),
        uid=fields["uid"],
        gid=fields["gid"],
        size=fields.get("size", 0),
        device=0,
        inode=0,
        mtime=fields.get("mtime", 0),
        ctime=0,
        sha256=bytes.fromhex(fields["sha256"]) if "sha256" in fields else None,
        target=named(fields["target"]) if "target" in fields else None,
        attributes=bytes.fromhex(fields["attributes"]) if "attributes" in fields else None,
        flags=fields.get("flags", 0),
        special=fields.get("special", 0),
    )
