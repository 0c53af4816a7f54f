"""Prometheus's Alertmanager, API v2."""

from __future__ import annotations

import contextlib
import json
import time
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from service.sentinel.outlets.message import MOST_PATHS, Message
from service.sentinel.outlets.post import post

FIRES = 3600.0
"""Seconds after its last change that an alert goes on: long enough to be seen, and it ends without anybody's doing."""


@dataclass
class _Firing:
    labels: dict[str, str]
    first: float
    last: float
    count: int
    text: str
    paths: list[str]

    @property
    def until(self) -> float:
        return self.last + FIRES


class Alertmanager:
    """All that fires is sent with each change and each reminder, so that an Alertmanager that forgot knows again.

    What fires lies in `state`, and outlives this process: an alert does not end because its sentinel was killed.
    """

    name = "alertmanager"

    def __init__(self, url: str, state: Path, ca_file: str | None = None) -> None:
        self._url = url.rstrip("/") + "/api/v2/alerts"
        self._state = state
        self._ca_file = ca_file
        self._firing = self._known()

    def deliver(self, message: Message) -> None:
        if message.severity is None:
            return
        labels = _labels(message)
        firing = self._firing.get(_key(labels)) or _Firing(labels, message.first, message.last, 0, "", [])
        taken = _Firing(
            labels,
            firing.first,
            max(firing.last, message.last),
            firing.count + message.count,
            message.text(),
            [*dict.fromkeys([*firing.paths, *message.paths])][-MOST_PATHS:],
        )
        everything = {**self._firing, _key(labels): taken}
        self._send(everything)
        self._firing = everything
        self._keep()

    def remind(self) -> None:
        now = time.time()
        self._firing = {key: one for key, one in self._firing.items() if one.until > now}
        self._send(self._firing)

    def _send(self, firing: dict[str, _Firing]) -> None:
        alerts = [
            {
                "labels": one.labels,
                "annotations": {
                    "summary": one.text,
                    "paths": "\n".join(one.paths),
                    "count": str(one.count),
                    "next": "casemate alerts INVENTORY",
                },
                "startsAt": _time(one.first),
                "endsAt": _time(one.until),
            }
            for one in firing.values()
        ]
        if alerts:
            post(self._url, json.dumps(alerts).encode("ascii"), {}, self._ca_file)

    def _known(self) -> dict[str, _Firing]:
        try:
            found = [_Firing(**one) for one in json.loads(self._state.read_text(encoding="ascii"))]
        except (OSError, ValueError, TypeError):
            return {}
        return {_key(one.labels): one for one in found}

    def _keep(self) -> None:
        new = self._state.with_suffix(".new")
        with contextlib.suppress(OSError):  # On a full disk reminders end with this process; the alert was sent.
            new.write_text(json.dumps([asdict(one) for one in self._firing.values()]), encoding="ascii")
            new.replace(self._state)


def _labels(message: Message) -> dict[str, str]:
    name = "FileChanged" if message.event == "alert" else message.event.title().replace("_", "")
    labels: dict[str, Any] = {
        "alertname": f"CasemateSentinel{name}",
        "severity": message.severity,
        "host": message.host,
        "set": message.set,
        "container": message.container,
    }
    return {name: value for name, value in labels.items() if value}


def _key(labels: dict[str, str]) -> str:
    return json.dumps(labels, sort_keys=True)


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds")
