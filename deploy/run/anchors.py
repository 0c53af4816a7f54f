"""How far each chained log had come when it was last seen: kept here, where nobody on a host can reach it.

An end is noted twice: where a log was last found good, and (`seen`) where it stood at each deploy since, unjudged. Both
bind the host: a later verification holds the log against all of them.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from deploy import paths
from deploy.errors import SettingsError
from deploy.run.alone import alone, rewrite

End = dict[str, Any]
"""{seq, prev}, and when it was noted."""
_MOST_SEEN = 100
"""Of more the oldest and the latest are kept: what was there first says the most."""


@dataclass(frozen=True)
class Anchored:
    """The ends of one host's logs; a machine set up anew under the same name has another host key, and other logs."""

    host_key: str
    logs: dict[str, End] = field(default_factory=dict)
    seen: dict[str, list[End]] = field(default_factory=dict)

    def of(self, log: str) -> list[End]:
        """All ends of a log that were noted."""
        return [*([self.logs[log]] if log in self.logs else []), *self.seen.get(log, [])]


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
    with alone(file_of(inventory)):
        known = anchored(inventory)
        for host, one in found.items():
            before = _of_machine(known, host, one.host_key)
            logs = {**before.logs, **{log: _dated(end) for log, end in one.logs.items()}}
            good = {log: end["seq"] for log, end in one.logs.items()}
            later = {log: [end for end in ends if end["seq"] > good.get(log, 0)] for log, ends in before.seen.items()}
            known[host] = Anchored(one.host_key, logs, {log: ends for log, ends in later.items() if ends})
        _write(inventory, known)


def see(inventory: str, host: str, host_key: str, heads: Mapping[str, Any]) -> None:
    """Keep where a host's logs (log to {seq, prev} or None) stand now, beside what was noted before."""
    with alone(file_of(inventory)):
        known = anchored(inventory)
        before = _of_machine(known, host, host_key)
        seen = dict(before.seen)
        for log, head in heads.items():
            noted = [(end["seq"], end["prev"]) for end in before.of(log)]
            if head and head["seq"] and (head["seq"], head["prev"]) not in noted:
                ends = [*seen.get(log, []), _dated(head)]
                seen[log] = [*ends[:1], *ends[1:][1 - _MOST_SEEN :]]
        if seen != before.seen:
            _write(inventory, {**known, host: Anchored(host_key, before.logs, seen)})


def _of_machine(known: Mapping[str, Anchored], host: str, host_key: str) -> Anchored:
    before = known.get(host)
    return before if before and before.host_key == host_key else Anchored(host_key)


def _dated(end: Mapping[str, Any]) -> End:
    now = datetime.now(UTC).isoformat("T", "seconds")
    return {"seq": end["seq"], "prev": end["prev"], "noted": now}


def _write(inventory: str, known: Mapping[str, Anchored]) -> None:
    rewrite(file_of(inventory), {host: asdict(one) for host, one in known.items()})


def _read(one: Mapping[str, Any]) -> Anchored:
    logs = {log: {**end, "seq": int(end["seq"])} for log, end in one["logs"].items()}
    seen = {log: [{**end, "seq": int(end["seq"])} for end in ends] for log, ends in one.get("seen", {}).items()}
    return Anchored(str(one["host_key"]), logs, seen)
