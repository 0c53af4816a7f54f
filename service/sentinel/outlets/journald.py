"""The journal, by its native protocol: fields that `journalctl CASEMATE_SET=etc` finds again."""

from __future__ import annotations

import socket
from pathlib import Path

from service.sentinel.configuration import Severity
from service.sentinel.outlets.message import Message

SOCKET = Path("/run/systemd/journal/socket")
PRIORITIES: dict[Severity | None, int] = {"critical": 2, "high": 3, "medium": 4, "low": 5, None: 6}
"""Severities of syslog."""
_PATIENCE = 5.0  # Seconds until the journal has room.


class Journald:
    """One datagram a message."""

    name = "journald"

    def __init__(self, path: Path = SOCKET) -> None:
        self._path = path

    def deliver(self, message: Message) -> None:
        fields = {
            "MESSAGE": message.text(),
            "PRIORITY": str(PRIORITIES[message.severity]),
            "SYSLOG_IDENTIFIER": "casemate-sentinel",
            "CASEMATE_EVENT": message.event,
            "CASEMATE_SEVERITY": message.severity or "info",
            "CASEMATE_SET": message.set or "",
            "CASEMATE_CONTAINER": message.container or "",
            "CASEMATE_COUNT": str(message.count),
            "CASEMATE_SEQ": "" if message.first_seq is None else str(message.first_seq),
        }
        content = b"".join(_field(name, value) for name, value in fields.items() if value)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
            journal.settimeout(_PATIENCE)
            journal.connect(str(self._path))
            journal.send(content)

    def remind(self) -> None:
        """The journal forgets nothing."""


def _field(name: str, value: str) -> bytes:
    """With its length told, so that no value can begin a field of its own."""
    content = value.encode("utf-8", "backslashreplace")
    return name.encode("ascii") + b"\n" + len(content).to_bytes(8, "little") + content + b"\n"
