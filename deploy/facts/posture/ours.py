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


def release() -> Json:
    """What the release program noted, where Nginx is led, and how much of a cut transfer is there already."""
    manifests = glob.glob(f"{_STATE}/releases/*/manifest.json")
    parts = list(os.scandir(f"{_STATE}/incoming")) if os.path.isdir(f"{_STATE}/incoming") else []
    return {
        "state": document(f"{_STATE}/releases/state.json"),
        "current": {name: link(f"/run/casemate/{name}/current") for name in _LIVE},
        "handover": {name: document(f"{_STATE}/releases/handover-{name}.json") for name in _LIVE},
        "manifests": {path.split("/")[-2]: manifest(path) for path in sorted(manifests)},
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
