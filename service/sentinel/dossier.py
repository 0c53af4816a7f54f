"""What is kept of each quarantine, and how much of it: evidence is refused when there is no room, never replaced."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from service.ledger.tail import last
from service.sentinel.change import Change
from service.sentinel.docker import Docker, DockerError
from service.sentinel.evidence import copied, network_of, used
from service.sentinel.held import Held, write

LARGEST = 64 << 20
"""Bytes of data of one file that are copied."""
MOST_OF_ONE = 256 << 20
MOST = 1 << 30
"""Bytes that the evidence of one quarantine, and all of it together, may take on the disk."""
MOST_FILES = 100
_LINES = 200


class Dossiers:
    """`<directory>/<id>/`: inspect.json, network.json, processes.json, alerts.jsonl, files/0001 and files/0001.json.

    `refused` is called the first time that something of a quarantine is not kept, with a sentence.
    """

    def __init__(self, directory: Path, alerts: Path, refused: Callable[[Held, str], None]) -> None:
        self._directory, self._alerts, self._refused = directory, alerts, refused

    def keep_state(self, held: Held, docker: Docker) -> None:
        """What the engine and the kernel tell of the container now, and what was alerted last."""
        told: dict[str, Any] = {}
        with suppress(DockerError):
            told["inspect"] = found = docker.container(held.container_id) or {}
            told["network"] = {
                "engine": found.get("NetworkSettings"),
                "before": held.networks,
                "kernel": network_of((found.get("State") or {}).get("Pid") or 0),
            }
            told["processes"] = docker.processes(held.container_id)
        for name, value in told.items():
            self._keep(held, f"{name}.json", _json(value))
        with suppress(OSError, EOFError):  # a compressed one may be cut
            self._keep(held, "alerts.jsonl", b"".join(line + b"\n" for line in last(self._alerts, _LINES)))

    def keep_files(self, held: Held, changes: Sequence[Change], backing: Callable[[bytes], bytes]) -> None:
        """The files that changes are about, each with what was known of it; `backing`: where a path really lies."""
        for change in changes:
            if held.evidence["files"] >= MOST_FILES:
                self._refuse(held, f"more than {MOST_FILES} files; the alerts tell the rest")
                return
            self._keep_file(held, f"{held.evidence['files'] + 1:04d}", change, backing(change.path))
            held.evidence["files"] += 1

    def _keep_file(self, held: Held, number: str, change: Change, path: bytes) -> None:
        place, room = self._directory / held.id / "files", self._room(held)
        told: dict[str, Any] = {"not_copied": "no room left"}
        try:
            place.mkdir(mode=0o700, parents=True, exist_ok=True)
            if room > 0:
                told = copied(path, place / number, min(LARGEST, room))
        except OSError as error:
            self._refuse(held, f"no evidence could be written: {error}")
        if not told.get("whole", True):
            self._refuse(held, f"file {number}: only the first {told['copied']} bytes of its data were copied")
        self._keep(held, f"files/{number}.json", _json({**change.fields(), "copy": told}))

    def _keep(self, held: Held, name: str, content: bytes) -> None:
        if len(content) > self._room(held):
            self._refuse(held, f"no room for {name}; next: move older ones out of {self._directory}")
            return
        try:
            write(self._directory / held.id / name, content)
        except OSError as error:
            self._refuse(held, f"no evidence could be written: {error}")
        held.evidence["bytes"] = used(self._directory / held.id)

    def _room(self, held: Held) -> int:
        return min(MOST - used(self._directory), MOST_OF_ONE - used(self._directory / held.id))

    def _refuse(self, held: Held, why: str) -> None:
        if not held.evidence["refused"]:
            held.evidence["refused"] = why
            self._refused(held, why)


def _json(value: Any) -> bytes:
    return json.dumps(value, indent=1).encode()
