"""What a deploy said it would change."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from service.sentinel.entry import Entry, named
from service.sentinel.packages import Packages
from service.sentinel.territory import canonical

_FIELDS = {"path", "sha256", "mode", "uid", "gid", "kind", "target", "removed", "packages", "container"}


class PlanError(Exception):
    """Says which item is wrong and what is expected."""


class Plan:
    """Items of the signed documents of one run. Of a path there may be several: what comes and goes has two."""

    def __init__(self, items: Sequence[Mapping[str, Any]], dpkg: Path) -> None:
        self._paths: dict[bytes, list[Mapping[str, Any]]] = {}
        self._near: dict[bytes, set[bytes]] = {}
        self.containers: set[str] = set()
        packages: list[str] = []
        for item in items:
            if unknown := item.keys() - _FIELDS:
                raise PlanError(f"a plan's item has {', '.join(sorted(unknown))}, expected some of {_FIELDS}")
            if "path" in item:
                path = canonical(named(item["path"]))
                self._paths.setdefault(path, []).append(item)
                directory, name = os.path.split(path)
                self._near.setdefault(directory, set()).add(name)
            elif "container" in item:
                self.containers.add(item["container"])
            elif "packages" in item:
                packages += item["packages"]
            else:
                raise PlanError(f"got {dict(item)}, expected an item with path, packages or container")
        self.packages = Packages(packages, dpkg) if packages else None

    def needs_content(self, path: bytes) -> bool:
        """Whether its hash is needed to judge it."""
        return any("sha256" in item for item in self._paths.get(path, ())) or self.packages is not None

    def names(self, path: bytes) -> bool:
        """Whether the path is announced; that it is not as announced may be because it is not finished."""
        return path in self._paths

    def explains(self, path: bytes, before: Entry | None, after: Entry | None) -> bool:
        """Whether this change was announced. Nothing before and after: it came and went."""
        if any(_as_said(item, after) for item in self._paths.get(path, ())):
            return True
        if after is None and self._goes_with(path):
            return True
        if before is None and after is None:
            directory, name = os.path.split(path)
            if any(planned in name for planned in self._near.get(directory, ())):
                return True  # A new content on its way to a planned place.
        return self.packages is not None and self.packages.explain(path, before, after)

    def _goes_with(self, path: bytes) -> bool:
        """Whether a directory above it goes."""
        above = os.path.dirname(path)
        while above != b"/":
            if any(item.get("removed") for item in self._paths.get(above, ())):
                return True
            above = os.path.dirname(above)
        return False


def _as_said(item: Mapping[str, Any], after: Entry | None) -> bool:
    if item.get("removed") or after is None:
        return bool(item.get("removed")) and after is None
    mode = item.get("mode")
    said = {
        "sha256": bytes.fromhex(item["sha256"]) if item.get("sha256") else None,
        "mode": int(mode, 8) if isinstance(mode, str) else mode,
        "target": os.fsencode(item["target"]) if item.get("target") else None,
        **{name: item.get(name) for name in ("uid", "gid", "kind")},
    }
    return all(value is None or getattr(after, name) == value for name, value in said.items())
