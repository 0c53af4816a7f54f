"""The program that reads the alerts of a period out of the sentinel's log."""

import json
from collections import deque
from datetime import datetime
from pathlib import Path
from typing import Any

from service.ledger.verification import files, lines


def main(log: str, since: str, severities: list[str], count: int) -> None:
    """Print {"lines": the newest `count` alerts since then, "older": how many more, "last": the log's last line}."""
    try:
        print(json.dumps(alerted(Path(log), since, frozenset(severities), count)))
    except OSError as error:
        print(json.dumps({"error": str(error)}))


def alerted(log: Path, since: str, severities: frozenset[str], count: int) -> dict[str, Any]:
    """Lines as text, in their order; one that is damaged is left to `casemate logs verify`."""
    begin = datetime.fromisoformat(since).timestamp()
    found: deque[str] = deque(maxlen=count)
    seen, last = 0, ""
    for path in files(log):
        if path.stat().st_mtime < begin:
            continue  # Turned over and left alone since.
        for raw in lines(path):
            last = raw.rstrip(b"\n").decode("utf-8", "backslashreplace")
            if wanted(last, since, severities):
                seen += 1
                found.append(last)
    return {"lines": list(found), "older": seen - len(found), "last": last}


def wanted(line: str, since: str, severities: frozenset[str]) -> bool:
    """Is it one of these, and as new as that?"""
    if '"severity"' not in line:
        return False
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(fields, dict)
        and fields.get("event") != "planned"
        and fields.get("severity") in severities
        and str(fields.get("time", "")) >= since
    )
