"""What a run is going to change, for the host's sentinel: it is told before the change, and all else is an alert there.

An operation says it where it has found a difference, before its first command. Prepare gathers it, so that one signed
document opens the window; what only shows while the run goes on is added to the window before the command runs.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import PurePosixPath
from typing import Any

from pyinfra import host

from deploy.facts.observed import Observed, observed

Item = dict[str, Any]
"""One entry of a window's plan: see service/sentinel/plan.py."""

_WAITING, _TOLD, _TELL = "casemate.expected", "casemate.told", "casemate.tell"


def expects(*items: Item) -> None:
    """These changes are about to be made to the current host."""
    told = host.connector_data.get(_TOLD, set())
    waiting: dict[str, Item] = host.connector_data.setdefault(_WAITING, {})
    waiting.update({key: item for item in items if (key := json.dumps(item, sort_keys=True)) not in told})


def taken(of: Any) -> list[Item]:
    """What nobody was told of yet; from here on it counts as told."""
    waiting: dict[str, Item] = of.connector_data.pop(_WAITING, {})
    of.connector_data.setdefault(_TOLD, set()).update(waiting)
    return list(waiting.values())


def tell_by(of: Any, tell: Callable[[Sequence[Item]], None] | None) -> None:
    """How the host is told while its window is open; None: it is not."""
    of.connector_data[_TELL] = tell


def tell(of: Any) -> None:
    """Tell the host what it does not know yet, before a command changes it."""
    how = of.connector_data.get(_TELL)
    if how and of.connector_data.get(_WAITING):
        how(taken(of))


def file_item(path: str, sha256: str, mode: str, owner: str, group: str) -> Item:
    """A file as it will be. An owner whom the host does not know yet is left free."""
    return {"path": path, "kind": "file", "sha256": sha256, "mode": mode, **_ids(owner, group)}


def directory_item(path: str, mode: str = "0755", owner: str = "root", group: str = "root") -> Item:
    """A directory as it will be."""
    return {"path": path, "kind": "directory", "mode": mode, **_ids(owner, group)}


def removed(path: str) -> Item:
    """Nothing will be there, nor below it."""
    return {"path": path, "removed": True}


_WANTED = tuple(f"{target}.target.wants" for target in ("multi-user", "sysinit", "local-fs", "timers", "sockets"))
_UNIT_PLACES = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")


def enabled_items(unit: str, fragment: str | None) -> list[Item]:
    """The links by which systemd starts a unit at boot: one of several places, but always to this very file."""
    targets = [fragment] if fragment else [f"{place}/{unit}" for place in _UNIT_PLACES]
    places = [f"/etc/systemd/system/{name}" for name in (*_WANTED, "docker.service.requires")]
    links = [{"path": f"{place}/{unit}", "kind": "link", "target": target} for place in places for target in targets]
    return [*(directory_item(place) for place in places), *links]


def parents_of(path: str, below: str) -> list[str]:
    """The directories between `below` and the path, the outermost first."""
    between = [str(parent) for parent in PurePosixPath(path).parents if str(parent).startswith(f"{below}/")]
    return between[::-1]


def _ids(owner: str, group: str) -> dict[str, int]:
    seen: Observed = observed(host)
    users, groups = seen.section("users") or {}, seen.section("groups") or {}
    known = {"root": 0} | {name: one["uid"] for name, one in users.items()}
    gids = {"root": 0} | {name: one["gid"] for name, one in groups.items()}
    uid, gid = known.get(owner), gids.get(group)
    return {name: number for name, number in (("uid", uid), ("gid", gid)) if number is not None}
