"""The program that counts what the audit log tells of a period, in one pass over its files."""

import json
import math
from array import array
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

from service.ledger.verification import files, lines

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


def main(log: str, since: str, until: str) -> None:
    """Print the figures of lines from `since` up to `until`, in the ledger's own form of time (UTC)."""
    try:
        print(json.dumps(counted(Path(log), since, until)))
    except OSError as error:
        print(json.dumps({"error": str(error)}))


def counted(log: Path, since: str, until: str) -> dict[str, Any]:
    """Requests, how they ended, by whom; tokens and pictures; seconds of those that were answered, by rank.

    Apart from `requests`, which ended, and from each other: those `unended`, of which there is the line that an answer
    began with and no other, and those `lost`, of which there is none.
    """
    begin = datetime.fromisoformat(since).timestamp()
    period = _Period()
    for path in files(log):
        if path.stat().st_mtime < begin:
            continue  # Turned over and left alone since.
        for raw in lines(path):
            fields = _fields(raw)
            if since <= (at := str(fields.get("time", ""))) < until:
                period.add(fields)
            elif at >= until:
                period.end(fields)
    return period.figures()


class _Period:
    def __init__(self) -> None:
        self.totals: Counter[str] = Counter()
        self.unended: set[str] = set()
        self.by_status: Counter[str] = Counter()
        self.by_reason: Counter[str] = Counter()
        self.principals: dict[str, Counter[str]] = {}
        self.seconds = {"total": array("d"), "first_token": array("d")}

    def add(self, fields: dict[str, Any]) -> None:
        event = fields.get("event")
        if event == "gap":
            self.totals["lost"] += _whole(fields.get("lost")) - _whole(fields.get("begun"))
        if event == "begun":
            self.unended.add(str(fields.get("request")))
        if event != "request":
            return
        self.end(fields)
        pictures = fields.get("pictures")
        told = {
            "requests": 1,
            "tokens_in": _whole(fields.get("tokens_in")),
            "tokens_out": _whole(fields.get("tokens_out")),
            "pictures": len(pictures) if isinstance(pictures, list) else 0,
        }
        self.totals.update(told)
        self.principals.setdefault(str(fields.get("principal") or "-"), Counter()).update(told)
        self.by_status[str(fields.get("status"))] += 1
        if fields.get("reason"):
            self.by_reason[str(fields["reason"])] += 1
        elif fields.get("finish"):
            self._time(fields.get("seconds"))

    def end(self, fields: dict[str, Any]) -> None:
        """Take note that a request has ended, be it after the period."""
        if fields.get("event") == "request":
            self.unended.discard(str(fields.get("request")))

    def figures(self) -> dict[str, Any]:
        self.totals["unended"] = len(self.unended)
        names = ("requests", "unended", "lost", "tokens_in", "tokens_out", "pictures")
        return {
            **{name: self.totals[name] for name in names},
            "by_status": dict(sorted(self.by_status.items())),
            "by_reason": dict(self.by_reason.most_common()),
            "principals": {name: dict(told) for name, told in sorted(self.principals.items())},
            "seconds": {name: _ranked(sorted(values)) for name, values in self.seconds.items()},
        }

    def _time(self, seconds: Any) -> None:
        for name, values in self.seconds.items():
            value = seconds.get(name) if isinstance(seconds, dict) else None
            if isinstance(value, (int, float)):
                values.append(value)


def _ranked(values: list[float]) -> dict[str, float | None]:
    """Quantiles by nearest rank: each is a time that some request really took."""
    return {name: values[math.ceil(part * len(values)) - 1] if values else None for name, part in QUANTILES.items()}


def _fields(raw: bytes) -> dict[str, Any]:
    """Of a line; nothing of one that is damaged: `verify` is who tells of that."""
    try:
        fields = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _whole(value: Any) -> int:
    return value if type(value) is int else 0
