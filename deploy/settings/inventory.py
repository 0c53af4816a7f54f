"""Inventory files, read exactly as `pyinfra` itself reads them."""

from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from pyinfra.api import Config, State
from pyinfra.context import ctx_config, ctx_state
from pyinfra_cli.inventory import make_inventory
from pyinfra_cli.util import parse_cli_arg

from deploy.errors import CasemateError, SettingsError
from deploy.paths import ROOT


def read_inventory(file: str, data: Sequence[str] = (), limit: Sequence[str] = ()) -> tuple[Any, list[Any]]:
    """pyinfra's inventory, and those of its hosts that `limit` names (host, group or pattern; all without a limit).

    `data` are `KEY=VALUE` as after `--data`. Raises SettingsError.
    """
    if not Path(file).is_file():
        raise SettingsError(f"{file}: no such inventory", next="name a file such as inventory/lab.py")
    with ctx_state.use(State()), ctx_config.use(Config()):
        try:
            inventory = make_inventory(file, override_data=_overrides(data), cwd=str(ROOT))
        except Exception as error:
            # The file is the operator's own Python: whatever it raises is theirs to read, with its place.
            cause = getattr(error, "exception", error)
            if isinstance(cause, CasemateError):
                raise cause from error
            raise SettingsError(f"{file}: {type(cause).__name__}: {cause}", next="correct the file") from error
    if not len(inventory):
        raise SettingsError(f"{file}: no hosts in it", next="add one; inventory/production.example.py shows how")
    inventory.file = file
    return inventory, _limited(inventory, limit)


def _overrides(data: Sequence[str]) -> dict[str, Any]:
    overrides = {}
    for item in data:
        key, equals, value = item.partition("=")
        if not equals:
            raise SettingsError(f"--data {item}: no value", next=f"write --data {key}=VALUE")
        overrides[key] = parse_cli_arg(value)
    return overrides


def _limited(inventory: Any, limit: Sequence[str]) -> list[Any]:
    def named(host: Any, wanted: str) -> bool:
        return fnmatch(host.name, wanted) or wanted in host.groups

    for wanted in limit:
        if not any(named(host, wanted) for host in inventory):
            names = ", ".join(host.name for host in inventory)
            raise SettingsError(f"--limit {wanted}: no such host or group", next=f"choose among: {names}")
    return [host for host in inventory if not limit or any(named(host, wanted) for wanted in limit)]
