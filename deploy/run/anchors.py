"""How far each chained log had come when it was last found good: kept here, where nobody on a host can reach it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy import paths
from deploy.errors import SettingsError

Anchors = dict[str, dict[str, dict[str, Any]]]
"""Host to log to {seq, prev, noted}."""


def file_of(inventory: str) -> Path:
    """Where the anchors of this inventory's hosts are kept."""
    return paths.STATE / "anchors" / f"{Path(inventory).stem}.json"


def noted(inventory: str) -> Anchors:
    """What was noted so far. Raises SettingsError when the file is damaged: without it a cut log would go unseen."""
    path = file_of(inventory)
    try:
        found: Anchors = json.loads(path.read_bytes())
        return {
            host: {log: {**one, "seq": int(one["seq"])} for log, one in logs.items()} for host, logs in found.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SettingsError(
            f"{path} cannot be read ({error})", next="bring it back from a backup, or remove it to begin anew"
        ) from error


def note(inventory: str, ends: dict[str, dict[str, dict[str, Any]]]) -> None:
    """Keep the ends {seq, prev} of logs that were found good, host by host; the others stay as they were."""
    known, now = noted(inventory), datetime.now(UTC).isoformat("T", "seconds")
    for host, logs in ends.items():
        known.setdefault(host, {}).update({log: {**end, "noted": now} for log, end in logs.items()})
    path = file_of(inventory)
    path.parent.mkdir(parents=True, exist_ok=True)
    paths.STATE.chmod(0o700)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
    new.replace(path)
