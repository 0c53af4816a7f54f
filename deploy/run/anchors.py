"""How far each chained log had come when it was last found good: kept here, where nobody on a host can reach it."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy import paths
from deploy.errors import SettingsError

Ends = dict[str, dict[str, Any]]
"""Log to its end: {seq, prev}, and when it was noted."""


@dataclass(frozen=True)
class Anchored:
    """The ends of one host's logs; a machine set up anew under the same name has another host key, and other logs."""

    host_key: str
    logs: Ends


def file_of(inventory: str) -> Path:
    """Where the anchors of this inventory's hosts are kept."""
    return paths.STATE / "anchors" / f"{Path(inventory).stem}.json"


def anchored(inventory: str) -> dict[str, Anchored]:
    """What was noted so far, by host. Raises SettingsError when the file is damaged: a cut log would go unseen."""
    path = file_of(inventory)
    try:
        return {host: _read(one) for host, one in json.loads(path.read_bytes()).items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{path} cannot be read ({error})", next="bring it back from a backup, or remove it to begin anew"
        ) from error


def note(inventory: str, found: Mapping[str, Anchored]) -> None:
    """Keep the ends of logs that were found good, host by host; all others stay as they were."""
    known, now = anchored(inventory), datetime.now(UTC).isoformat("T", "seconds")
    for host, one in found.items():
        before = known.get(host)
        kept = before.logs if before and before.host_key == one.host_key else {}
        known[host] = Anchored(one.host_key, {**kept, **{log: {**end, "noted": now} for log, end in one.logs.items()}})
    path = file_of(inventory)
    path.parent.mkdir(parents=True, exist_ok=True)
    paths.STATE.chmod(0o700)
    new = path.with_suffix(".new")
    new.write_text(json.dumps({host: asdict(one) for host, one in known.items()}, indent=2) + "\n", encoding="utf-8")
    new.replace(path)


def _read(one: Mapping[str, Any]) -> Anchored:
    return Anchored(str(one["host_key"]), {log: {**end, "seq": int(end["seq"])} for log, end in one["logs"].items()})
