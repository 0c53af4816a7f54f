"""From inventory files to validated settings: all < group < host < --data, with the place of every value kept.

pyinfra looks keys up whole and by first match. Here a component's dict is merged key by key, so that a group may change
one limit without repeating the rest; two groups that disagree about a key are an error, since neither is nearer.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deploy.errors import SettingsError
from deploy.paths import ROOT
from deploy.settings.faults import Fault, explain
from deploy.settings.host import HostSettings
from deploy.settings.inventory import read_inventory

_PYINFRA = ("ssh_", "_")
"""Keys that belong to pyinfra: how to connect, and its global arguments such as _sudo."""


@dataclass(frozen=True)
class Layer:
    """One place that data comes from, such as a group's file."""

    origin: str
    data: Mapping[str, Any]
    rank: int


@dataclass(frozen=True)
class InventoryHost:
    """One host of an inventory, its settings valid."""

    name: str
    address: str
    settings: HostSettings


def load_inventory(file: str, data: Sequence[str] = (), limit: Sequence[str] = ()) -> list[InventoryHost]:
    """The hosts of an inventory with their settings; raises SettingsError with every fault of every host."""
    _, hosts = read_inventory(file, data, limit)
    return inventory_hosts(hosts)


def inventory_hosts(hosts: Sequence[Any]) -> list[InventoryHost]:
    """pyinfra's hosts with their settings; raises SettingsError with every fault of every host."""
    named = zip(hosts, valid(hosts), strict=True)
    return [InventoryHost(host.name, host.data.get("ssh_hostname") or host.name, found) for host, found in named]


def valid(hosts: Sequence[Any]) -> list[HostSettings]:
    """Settings of pyinfra's hosts; raises SettingsError with every fault of every host, before anything connects."""
    results = [(host, *read(host)) for host in hosts]
    faulty = [(host.name, faults) for host, _, faults in results if faults]
    if faulty:
        raise SettingsError(
            "\n".join(explain(name, faults) for name, faults in faulty) + "\nNothing was changed.",
            next=f"correct the lines, then: casemate check {_file_of(hosts[0])}",
        )
    return [settings for _, settings, _ in results if settings]


def _file_of(host: Any) -> str:
    return str(getattr(host.inventory, "file", "inventory/"))


def layers_of(host: Any) -> list[Layer]:
    """The host's data, the weakest first. `host` is a pyinfra Host of a loaded inventory."""
    inventory, inventory_file = host.inventory, _file_of(host)
    folder = Path(inventory_file).parent / "group_data"

    def of(group: str) -> str:
        file = folder / f"{group}.py"
        return _short(file) if file.exists() else f"{_short(Path(inventory_file))}: {group}"

    groups = [Layer(of(name), inventory.get_group_data(name), 1) for name in host.groups if name != "all"]
    return [
        Layer(of("all"), inventory.get_data(), 0),
        *groups,
        Layer(f"{_short(Path(inventory_file))}: {host.name}", inventory.get_host_data(host.name), 2),
        Layer("--data", _dotted(inventory.get_override_data()), 3),
    ]


def _short(path: Path) -> str:
    path = path.resolve()
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


def _dotted(data: Mapping[str, Any]) -> dict[str, Any]:
    """`--data vision.memory=16g` is {"vision": {"memory": "16g"}}."""
    nested: dict[str, Any] = {}
    for key, value in data.items():
        *parents, last = [key] if key.startswith(_PYINFRA) else key.split(".")
        place = nested
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = value
    return nested


def merge(layers: list[Layer]) -> tuple[dict[str, Any], dict[tuple[str, ...], str], list[Fault]]:
    """The merged data, where each leaf came from, and what could not be merged."""
    merged: dict[str, Any] = {}
    places: dict[tuple[str, ...], tuple[str, int]] = {}
    faults: list[Fault] = []
    for layer in layers:
        for path, value in _leaves(layer.data):
            earlier = places.get(path)
            if earlier and earlier[1] == layer.rank and _at(merged, path) != value:
                faults.append(
                    Fault(
                        layer.origin, ".".join(path), f"{value!r}", f"the same as in {earlier[0]}, or only one of both"
                    )
                )
            _put(merged, path, value)
            places[path] = (layer.origin, layer.rank)
    return merged, {path: origin for path, (origin, _) in places.items()}, faults


def _leaves(data: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in data.items():
        if not path and str(key).startswith(_PYINFRA):
            continue
        here = (*path, str(key))
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, here)
        else:
            yield here, value


def _at(data: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    for key in path:
        data = data[key]
    return data


def _put(data: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        inner = data.get(key)
        data[key] = data = inner if isinstance(inner, dict) else {}
    data[path[-1]] = value


def settings_of(host: Any) -> HostSettings:
    """The host's settings; raises SettingsError that names every fault's file, key, value and expectation."""
    settings, faults = read(host)
    if settings is None:
        raise SettingsError(
            explain(host.name, faults), next=f"correct the lines, then: casemate check {_file_of(host)}"
        )
    return settings


def read(host: Any) -> tuple[HostSettings | None, list[Fault]]:
    """The host's settings, or None and what is wrong with them."""
    merged, origins, faults = merge(layers_of(host))
    try:
        settings = HostSettings.model_validate(merged)
    except ValidationError as error:
        return None, [*faults, *(Fault.of(detail, origins, _file_of(host)) for detail in error.errors())]
    return (None, faults) if faults else (settings, [])
