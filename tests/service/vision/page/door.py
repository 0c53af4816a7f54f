"""The real door before a test's own service: `door.py SOCKET` tells its port, and stays until its input ends.

A process of its own: the deploy renders the door, and its greenlets replace the threads that the service needs.
"""

import sys
from pathlib import Path

from tests.templates.proxy.conftest import Door, new_door


class BeforeTheService(Door):
    """Behind it are the service on SOCKET and the stand-in for the gate, which lets `good` in."""

    def start_behind(self, role: str) -> None:
        if role == "gate":
            super().start_behind(role)
        else:
            (self.root / role).mkdir()
            (self.root / role / "current").symlink_to(Path(sys.argv[1]).parent)


if __name__ == "__main__":
    with new_door(BeforeTheService) as door:
        door.start()
        print(door.settings.port, flush=True)
        sys.stdin.read()
