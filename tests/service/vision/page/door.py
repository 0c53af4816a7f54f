"""The real door before a service of the test's own, as a process: `door.py SOCKET` tells its port and stays until stdin ends.

A process of its own, because the door is rendered by the deploy, whose greenlets replace the threads that the service needs.
"""

import sys
from pathlib import Path

from tests.templates.proxy.conftest import Door, new_door


def main() -> None:
    """Behind it are the service on SOCKET and the stand-in for the gate, which lets `good` in."""
    socket = Path(sys.argv[1])

    def start_behind(door: Door, role: str) -> None:
        if role == "gate":
            original(door, role)
        else:
            (door.root / role).mkdir()
            (door.root / role / "current").symlink_to(socket.parent)

    original, Door.start_behind = Door.start_behind, start_behind  # type: ignore[method-assign]
    with new_door() as door:
        door.start()
        print(door.settings.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
