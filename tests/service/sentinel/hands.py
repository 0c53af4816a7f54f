"""The sentinel's hands on a real engine, in directories of a test's own."""

import json
import os
import time
from pathlib import Path
from typing import Any

from service.sentinel.change import Change
from service.sentinel.configuration import Configuration
from service.sentinel.configuration import Containers as Watched
from service.sentinel.containers import Containers
from service.sentinel.maintenance import Maintenance
from service.sentinel.quarantine import Quarantine
from tests.service.sentinel.engine import Engine, until


class Noted:
    """A recorder that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def note(self, event: str, severity: Any = None, **fields: Any) -> None:
        """One line, as JSON makes it."""
        self.lines.append(json.loads(json.dumps({"event": event, "severity": severity, **fields})))

    def events(self) -> list[tuple[str, str]]:
        return [(line["event"], line["state"]) for line in self.lines]


class Host:
    """A host's directories, and a sentinel's hands that may be started anew."""

    def __init__(self, root: Path, engine: Engine) -> None:
        self.root, self.engine = root, engine
        self.noted = Noted()
        self.alerts = root / "alerts.jsonl"
        self.alerts.write_text('{"seq":0,"event":"alert"}\n')
        self.begin()

    def begin(self) -> None:
        self.containers = Containers(Configuration(sets=(), containers=Watched()), self.engine.socket)
        self.containers.start()
        maintenance = Maintenance(self.root / "maintenance")
        self.hands = Quarantine(self.containers, self.noted, self.root / "quarantine", maintenance, self.alerts)
        self.hands.start()

    def end(self) -> None:
        self.hands.close()
        self.containers.close()

    def shut(self, component: str = "vision") -> bool:
        return (self.root / "maintenance" / component).exists()

    def planted(self, name: str, inside: str = "/app/shell.py", content: bytes = b"evil") -> Change:
        """Write into a container's upper directory, as whoever owns the host can."""
        self.containers.look()
        layers = self.containers.found()[name].layers
        assert layers
        path = os.fsdecode(layers.upper) + inside
        os.makedirs(os.path.dirname(path), exist_ok=True)
        Path(path).write_bytes(content)
        return change(os.fsencode(path), name, inside)

    def only(self, state: str = "in force") -> dict[str, Any]:
        """Wait until the one quarantine is in this state and has its files."""
        until(lambda: [one["state"] for one in self.hands.list()] == [state], state)
        return self.hands.list()[0]


def change(path: bytes, container: str | None = None, inside: str | None = None) -> Change:
    where = None if inside is None else inside.encode()
    return Change(path, "containers", "created", None, None, time.time(), "event", container, where)


def paused(engine: Engine, name: str) -> bool:
    return bool(engine.inspected(name)["State"]["Paused"])


def networks(engine: Engine, name: str) -> dict[str, Any]:
    found: dict[str, Any] = engine.inspected(name)["NetworkSettings"]["Networks"]
    return found
