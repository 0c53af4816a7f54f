"""The record of one quarantine, on the disk from the moment that it was decided."""

from __future__ import annotations

import json
import os
import secrets
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from service.sentinel.change import Change

RECORD = "record.json"
COMPONENTS = ("vision", "gate")
"""Whose door is shut while the engine cannot tell which containers there are."""
State = Literal["pending", "in force", "released", "unreadable"]


@dataclass
class Held:
    """A container in quarantine. `since` and `released["at"]`: seconds since 1970.

    `pending`: the door is shut, but the engine has not done its part yet. `container` "" stands for every container of
    ours, as long as the engine has not told which there are. `networks` and `restart`: what the engine had, to be given
    back. `said`: what stands in the way, or what was found later; for people. `evidence`: {files, bytes, refused}.
    """

    id: str
    container: str
    container_id: str
    component: str
    reaction: Literal["pause", "isolate"]
    because: str
    since: float
    state: State = "pending"
    networks: dict[str, dict[str, Any]] = field(default_factory=dict)
    restart: dict[str, Any] | None = None
    said: str = ""
    evidence: dict[str, Any] = field(default_factory=lambda: {"files": 0, "bytes": 0, "refused": ""})
    released: dict[str, Any] | None = None

    @property
    def in_force(self) -> bool:
        """Decided, and not released."""
        return self.state in ("pending", "in force")

    @property
    def doors(self) -> tuple[str, ...]:
        """The components whose door is shut for it."""
        return (self.component,) if self.component else COMPONENTS

    def content(self) -> bytes:
        """What `save` writes."""
        return json.dumps(asdict(self), indent=1).encode()

    def save(self, directory: Path) -> None:
        """`directory/<id>/record.json`, as a whole or not at all. Raises OSError."""
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        (directory / self.id).mkdir(mode=0o700, exist_ok=True)
        write(directory / self.id / RECORD, self.content())


def new_id() -> str:
    """When, and four digits that tell two of one second apart: 20261123-070000-4f2a (UTC)."""
    return f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"


def saved(directory: Path) -> dict[str, Held]:
    """All records by id, oldest first; what cannot be read is told, and its door stays as it is."""
    found = {}
    for path in sorted(directory.glob(f"*/{RECORD}")):
        try:
            found[path.parent.name] = Held(**json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            unread = Held(path.parent.name, "", "", "", "pause", "", path.stat().st_mtime, state="unreadable")
            unread.said = f"{path} cannot be read ({error}); next: look at it, and move {path.parent} away"
            found[unread.id] = unread
    return found


def component_of(container: str) -> str:
    """By its name, casemate-<component>-<release>, when the engine does not know it any more."""
    parts = container.split("-")
    return parts[1] if len(parts) == 3 else container


def again(held: Held) -> Change:
    """The change that a quarantine is for, after a restart of the sentinel: only its sentence is left."""
    return Change(held.because.partition(": ")[2].encode(), "host", "changed", None, None, held.since, "event")


def write(path: Path, content: bytes) -> None:
    """Replace a file of root's alone."""
    fresh = path.with_name(f".{path.name}.new")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    place = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(place)
    finally:
        os.close(place)
