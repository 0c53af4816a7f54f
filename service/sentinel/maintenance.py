"""What shuts the door: Nginx answers 503 while `<component>` lies here, and casemate-release starts and ends nothing.

Persistent, so that a reboot opens nothing. Each line of such a file is the id of a quarantine; a file that somebody
else made (`touch`) shuts the door as well, and is left to them.
"""

from __future__ import annotations

import os
from pathlib import Path

PLACE = Path("/var/lib/casemate/maintenance")


class Maintenance:
    """Files by component. Raises OSError when the disk takes none."""

    def __init__(self, place: Path = PLACE) -> None:
        self._place = place

    def shut(self, component: str, quarantine: str) -> None:
        """For this quarantine too; nothing happens where it is shut for it already."""
        held = self._held(component)
        if quarantine not in held:
            self._place.mkdir(parents=True, exist_ok=True)
            self._place.chmod(0o755)  # whatever the umask: Nginx's workers look, who are nobody here
            self._write(component, [*held, quarantine])

    def open(self, component: str, quarantine: str) -> None:
        """Not for this quarantine any more; the door opens after the last one."""
        held = self._held(component)
        if held == [quarantine]:
            (self._place / component).unlink()
        elif quarantine in held:
            self._write(component, [one for one in held if one != quarantine])

    def _held(self, component: str) -> list[str]:
        try:
            return (self._place / component).read_text("utf-8", "replace").split()
        except FileNotFoundError:
            return []

    def _write(self, component: str, held: list[str]) -> None:
        fresh = self._place / f".{component}.new"
        fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write("".join(f"{one}\n" for one in held))
            os.fchmod(file.fileno(), 0o644)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._place / component)
