"""What the deploy wrote for this host: /etc/casemate/sentinel/sentinel.json."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args

Severity = Literal["critical", "high", "medium", "low"]
Reaction = Literal["alert", "pause", "isolate"]
T = TypeVar("T")


class ConfigurationError(Exception):
    """Says which key is wrong, what it holds and what is expected."""


@dataclass(frozen=True)
class WatchSet:
    """Paths that belong together. `roots` may hold glob patterns; `exclude` are patterns on whole paths (fnmatch).

    `content`: `hash` reads every file; with `metadata` mode, owner, size and times must do. `reaction`: what happens
    to our containers when something unplanned changes here: nothing (`alert`), `pause` them, or `isolate` them: their
    network is cut, and the door shows maintenance.
    """

    name: str
    severity: Severity
    roots: tuple[str, ...]
    exclude: tuple[str, ...] = ()
    content: Literal["hash", "metadata"] = "hash"
    reaction: Reaction = "alert"


@dataclass(frozen=True)
class Containers:
    """The watch set that is made of the running containers' file systems.

    `may_change`: paths inside, by component, where what changes is no alert (tmpfs and mounts are not part of a
    container's file system and need not be named).
    """

    severity: Severity = "critical"
    reaction: Reaction = "alert"
    may_change: dict[str, tuple[str, ...]] | None = None


@dataclass(frozen=True)
class Outlets:
    """Where alerts go besides the log and the journal; None: not there. Secrets lie in files that only root reads."""

    webhook: dict[str, Any] | None = None  # {url, secret_file?, ca_file?}: POST, signed by HMAC-SHA256
    syslog: dict[str, Any] | None = None  # {host, port, protocol: udp|tcp|tls, ca_file}
    alertmanager: dict[str, Any] | None = None  # {url, ca_file?}: POST /api/v2/alerts


@dataclass(frozen=True)
class Configuration:
    """Seconds everywhere. `source`: auto takes fanotify where it works. `who`: ask the kernel who did it."""

    sets: tuple[WatchSet, ...]
    containers: Containers | None = None
    source: Literal["auto", "inotify", "fanotify"] = "auto"
    who: bool = True
    sweep_seconds: int = 60
    rehash_hours: int = 24
    heartbeat_seconds: int = 30
    group_seconds: float = 1.0
    outlets: Outlets = Outlets()


def read(path: Path) -> Configuration:
    """Raises ConfigurationError, OSError."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigurationError(
            f"{path} is no JSON: {error}; next: casemate deploy INVENTORY --only sentinel"
        ) from None
    try:
        return Configuration(
            **{
                **given,
                "sets": tuple(_made(WatchSet, one) for one in given["sets"]),
                "containers": _made(Containers, given["containers"]) if given.get("containers") else None,
                "outlets": _made(Outlets, given.get("outlets", {})),
            }
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{path}: {error}; next: casemate deploy INVENTORY --only sentinel") from None


def _made(kind: type[T], given: dict[str, Any]) -> T:
    made = kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})
    for field in fields(kind):  # type: ignore[arg-type]
        value, allowed = getattr(made, field.name), _WORDS.get(field.name)
        if allowed and value not in allowed:
            raise ValueError(f"{field.name}: got {value!r}, expected one of {', '.join(allowed)}")
    return made


_WORDS = {"severity": get_args(Severity), "reaction": get_args(Reaction), "content": ("hash", "metadata")}
