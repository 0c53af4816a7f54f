"""The program that tells what there is of each log, chained or not, and counts a period's lines by what they are."""

import json
import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from service.ledger.verification import files, lines

_NGINX = re.compile(r"(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(?P<level>\w+)\]")
_KINDS = 20


def main(logs: dict[str, str], since: str, until: str) -> None:
    """Print {log: {files, bytes, lines, by}}, or {"error"}; lines are counted from `since` up to `until`."""
    begin, end = (datetime.fromisoformat(moment).timestamp() for moment in (since, until))
    print(json.dumps({name: _told(Path(path), begin, end) for name, path in logs.items()}))


def _told(log: Path, begin: float, end: float) -> dict[str, Any]:
    try:
        every = files(log)
        by: Counter[str] = Counter()
        for path in every:
            if path.stat().st_mtime < begin:
                continue  # Turned over and left alone since.
            for raw in lines(path):
                at, kind = _read(raw)
                if at is not None and begin <= at < end:
                    by[kind] += 1
        size = sum(path.stat().st_size for path in every)
        return {"files": len(every), "bytes": size, "lines": sum(by.values()), "by": dict(by.most_common(_KINDS))}
    except (OSError, EOFError) as error:
        return {"error": str(error)}


def _read(raw: bytes) -> tuple[float | None, str]:
    """When a line was written (None where it does not say), and of what kind it is: its event, status or level."""
    try:
        fields = json.loads(raw)
        kind = str(fields.get("event") or fields.get("status") or "line")
        return datetime.fromisoformat(str(fields["time"])).timestamp(), kind[:40]
    except (ValueError, KeyError, AttributeError, RecursionError):
        pass
    found = _NGINX.match(raw[:64].decode("ascii", "replace"))
    if not found:
        return None, "damaged"
    # Nginx writes the host's own time there, and this program runs on that host.
    return datetime.strptime(found["time"], "%Y/%m/%d %H:%M:%S").timestamp(), found["level"]  # noqa: DTZ007
