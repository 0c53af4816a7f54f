"""What systemd is told (sd_notify): ready, alive, how it goes, stopping."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class Readiness:
    """Says nothing where systemd did not ask (`NOTIFY_SOCKET`); raises nothing: no work stops for it.

    `every`: seconds between two calls of `alive` that keep the watchdog content, None where there is none.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        limit, pid = environment.get("WATCHDOG_USEC", ""), environment.get("WATCHDOG_PID", str(os.getpid()))
        self.every = int(limit) / 3_000_000 if limit.isdecimal() and pid == str(os.getpid()) else None

    def ready(self, status: str) -> None:
        """From here on changes are seen."""
        self._say("READY=1", f"STATUS={_line(status)}")

    def status(self, status: str) -> None:
        """What `systemctl status` shows."""
        self._say(f"STATUS={_line(status)}")

    def alive(self) -> None:
        """To be called only as long as all threads do their work."""
        self._say("WATCHDOG=1")

    def stopping(self) -> None:
        self._say("STOPPING=1", "STATUS=Stopping")

    def _say(self, *lines: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
            systemd.settimeout(1)
            systemd.connect(address)
            systemd.send("\n".join(lines).encode("utf-8", "backslashreplace"))


def _line(text: str) -> str:
    """Whatever it holds, it is no second assignment."""
    return "".join(one if one.isprintable() else " " for one in text)
