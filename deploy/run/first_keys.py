"""The first keys of chained logs: kept here, one file a host, where nobody on a host can read them.

Who has key 0 can prove every line of a chain, and could forge every line: it is on the host only until it lies here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from deploy import paths
from deploy.errors import SettingsError
from deploy.run.alone import alone, rewrite


@dataclass(frozen=True)
class FirstKey:
    """Key 0 of one chain (hexadecimal), when it was taken (UTC), and the key of line `seq`, to go on from."""

    key: str
    taken: str
    seq: int
    evolved: str

    def at(self, seq: int, key: str) -> "FirstKey":
        """The same chain, proven as far as line `seq`, whose key this is."""
        return replace(self, seq=seq, evolved=key)


Machines = dict[str, dict[str, FirstKey]]
"""SSH host key to log to first key: a machine set up anew under the same name has chains of its own."""


def file_of(inventory: str, host: str) -> Path:
    """Where the first keys of a host's chains are kept (0600)."""
    return paths.STATE / "keys" / Path(inventory).stem / f"{quote(host, safe='')}.json"


def first_keys(inventory: str, host: str) -> Machines:
    """Those that are kept. Raises SettingsError when the file is damaged: nothing could be proven any more."""
    path = file_of(inventory, host)
    try:
        found = json.loads(path.read_bytes())
        return {
            machine: {log: FirstKey(**_checked(one)) for log, one in logs.items()} for machine, logs in found.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{path} cannot be read ({error})", next="bring it back from a backup: it exists nowhere else"
        ) from error


def begun(key: str) -> FirstKey:
    """A chain whose key 0 has just come here."""
    return FirstKey(key, datetime.now(UTC).isoformat("T", "seconds"), 0, key)


def keep(inventory: str, host: str, host_key: str, logs: Mapping[str, FirstKey]) -> None:
    """Add these, or how far their chains are proven. When this returns they are on the disk, whatever happens next."""
    path = file_of(inventory, host)
    with alone(path):
        known = first_keys(inventory, host)
        known[host_key] = {**known.get(host_key, {}), **logs}
        rewrite(path, {machine: {log: vars(one) for log, one in keys.items()} for machine, keys in known.items()})


def _checked(one: Mapping[str, Any]) -> dict[str, Any]:
    for name in ("key", "evolved"):
        if len(bytes.fromhex(one[name])) != 32:
            raise ValueError(f"{name} is no key")
    return {"key": one["key"], "taken": str(one["taken"]), "seq": int(one["seq"]), "evolved": one["evolved"]}
