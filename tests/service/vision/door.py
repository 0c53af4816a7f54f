"""The real door and gate before a test's own service: `door.py SOCKET KEY SECONDS`, stays until its input ends.

It tells the door's port and the certificate of the CA that clients must trust; SECONDS is `read_seconds`, also
one that the settings refuse.

A process of its own: the deploy renders the door, and its greenlets replace the threads that the service needs.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from deploy.paths import ROOT
from service.gate.keys import digest, parse
from tests.templates.proxy.conftest import Door, new_door

SOCKET, KEY, SECONDS = sys.argv[1:4]


class BeforeTheService(Door):
    """Behind it are the service on SOCKET and a gate that knows KEY."""

    def start_behind(self, role: str) -> None:
        place = self.root / role
        place.mkdir()
        if role == "gate":
            self._start_gate(place)
        (place / "current").symlink_to(place if role == "gate" else Path(SOCKET).parent)

    def _start_gate(self, place: Path) -> None:
        known = {"keys": [{"id": parse(KEY), "sha256": digest(KEY)}]}
        (place / "keys.json").write_text(json.dumps(known))
        places = {
            "CASEMATE_GATE_KEYS": str(place / "keys.json"),
            "CASEMATE_GATE_SOCKET": str(place / "gate.sock"),
            "CASEMATE_GATE_LOG": str(place / "gate.jsonl"),
        }
        command = [sys.executable, "-m", "service.gate"]
        self.behind["gate"] = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **places})
        self.until((place / "gate.sock").exists, "the gate")


if __name__ == "__main__":
    with new_door(BeforeTheService) as door:
        door.settings = door.settings.model_copy(update={"read_seconds": int(SECONDS)})
        door.start()
        print(door.settings.port, door.settings.ca / "ca.pem", flush=True)
        sys.stdin.read()
