"""A service as clients have it: behind the real door and the real gate, with a real key."""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from service.gate.keys import new_key
from service.vision.engine.protocol import Engine
from tests.service.vision.running import Running

NAME = "vision.example.org"
KEY = new_key("demo")
ROOT = Path(__file__).resolve().parents[3]
CAN_BE_SERVED = bool(shutil.which("nginx")) and os.getuid() == 0
"""The door's workers are another user, whom only root can become."""


class Served(NamedTuple):
    """`address` is the door's, `ca` what a client must trust; KEY opens."""

    running: Running
    address: str
    ca: Path


@contextlib.contextmanager
def served(engine: Engine, read_seconds: int = 300, **settings: Any) -> Iterator[Served]:
    """Start all three; the door bears a silence of `read_seconds`, `settings` are the service's."""
    # Pytest's own directories are closed to the door's workers.
    directory = Path(tempfile.mkdtemp(prefix="casemate-served-"))
    directory.chmod(0o755)
    running = Running(directory, engine, **settings).start()
    given = [str(running.configuration.socket), KEY, str(read_seconds)]
    command = [sys.executable, "-m", "tests.service.vision.door", *given]
    door = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert door.stdin
    assert door.stdout
    try:
        port, ca = door.stdout.readline().split()
        yield Served(running, f"https://{NAME}:{port}", Path(ca))
    finally:
        door.stdin.close()
        door.wait(20)
        running.stop()
        shutil.rmtree(directory)
