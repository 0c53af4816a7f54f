"""What casemate itself keeps on a host."""

import glob
import hashlib
import json
import os
from typing import Any

from deploy.facts.posture.read import Json, printable, text, text_or_none

_STATE = "/var/lib/casemate"
_LIVE = ("vision", "gate")


def document(path: str) -> Any:
    """The JSON of a file; None when there is no such file."""
    try:
        return json.loads(text(path))
    except FileNotFoundError:
        return None


def manifest(path: str) -> Json:
    """One release's manifest: its hash, and whether a signature lies beside it."""
    with open(path, "rb") as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    return {"sha256": digest, "signature": os.path.exists(f"{path}.sig")}


def link(path: str) -> str | None:
    """Where a symbolic link goes; None when it is none."""
    try:
        return printable(os.readlink(path))
    except OSError:
        return None


def models() -> Json:
    """Each model's files with the SHA-256 that the release program verified; None for one that changed since.

    By the marks of `service.release.verified`: twenty gigabytes are not read for it.
    """
    verified = document(f"{_STATE}/verified.json") or {}
    found: Json = {}
    for directory in sorted(glob.glob(f"{_STATE}/models/*")):
        paths = [os.path.join(above, name) for above, _, names in os.walk(directory) for name in names]
        found[os.path.basename(directory)] = {
            printable(os.path.relpath(path, directory)): _verified(path, verified) for path in sorted(paths)
        }
    return found


def _verified(path: str, verified: Json) -> str | None:
    stat = os.lstat(path)
    marks = [str(stat.st_size), str(stat.st_mtime_ns), str(stat.st_ctime_ns)]
    known = verified.get(f"{stat.st_dev}:{stat.st_ino}")
    return str(known[-1]) if known and known[:-1] == marks else None


def release() -> Json:
    """What the release program noted, where Nginx is led, whole blobs, and how much of a cut transfer is there."""
    manifests = glob.glob(f"{_STATE}/releases/*/manifest.json")
    parts = list(os.scandir(f"{_STATE}/incoming")) if os.path.isdir(f"{_STATE}/incoming") else []
    blobs = os.listdir(f"{_STATE}/blobs") if os.path.isdir(f"{_STATE}/blobs") else []
    return {
        "state": document(f"{_STATE}/releases/state.json"),
        "current": {name: link(f"/run/casemate/{name}/current") for name in _LIVE},
        "handover": {name: document(f"{_STATE}/releases/handover-{name}.json") for name in _LIVE},
        "manifests": {path.split("/")[-2]: manifest(path) for path in sorted(manifests)},
        "models": models(),
        "blobs": sorted(map(printable, blobs)),
        "incoming": {printable(entry.name): entry.stat(follow_symlinks=False).st_size for entry in parts},
    }


def lock() -> Json | None:
    """Who holds the deploy lock; None when nobody does."""
    content = text_or_none("/run/casemate/deploy.lock")
    if not content:
        return None
    try:
        held = json.loads(content)
    except ValueError:
        held = content
    return held if isinstance(held, dict) else {"holder": str(held)}
