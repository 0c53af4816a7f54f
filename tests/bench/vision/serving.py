"""A service of its own, in a process of its own, as the container runs it."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from deploy.paths import ROOT

IDENTITY = {"x-auth-principal": "bench", "x-auth-key-id": "bench-1", "x-real-ip": "192.0.2.7"}


@dataclass(frozen=True)
class Served:
    """What listens on `socket`, and the process that it is."""

    socket: Path
    process: "subprocess.Popen[bytes]"

    def client(self) -> httpx.Client:
        """As Nginx is one."""
        transport = httpx.HTTPTransport(uds=str(self.socket))
        return httpx.Client(transport=transport, base_url="http://vision", headers=IDENTITY, timeout=120)

    @property
    def resident(self) -> int:
        """Bytes in memory, the engine's process included."""
        return resident(self.process.pid)

    @property
    def files(self) -> int:
        """Open file descriptors."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def resident(pid: int) -> int:
    """Bytes in memory of a process and of those that it started."""
    started = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pages = (Path(f"/proc/{one}/statm").read_text().split()[1] for one in (pid, *started))
    return sum(map(int, pages)) * os.sysconf("SC_PAGE_SIZE")


@contextmanager
def served(model: Path, folder: Path, **settings: object) -> Iterator[Served]:
    """`settings` are variables as service/vision/configuration.py has them. Raises TimeoutError."""
    socket = folder / "vision.sock"
    given = {
        **{"model": model, "model_name": "micro", "device": "cpu", "precision": "fp32", "socket": socket},
        **{"audit_log": folder / "audit.jsonl", "max_new_tokens": 64, "queue": 256, **settings},
    }
    variables = {f"CASEMATE_VISION_{name.upper()}": str(value) for name, value in given.items()}
    process = subprocess.Popen([sys.executable, "-m", "service.vision"], cwd=ROOT, env={**os.environ, **variables})
    try:
        one = Served(socket, process)
        _wait(one)
        yield one
    finally:
        process.terminate()
        process.wait(30)


def _wait(one: Served) -> None:
    end = time.monotonic() + 300  # A model may be compiled first.
    while time.monotonic() < end and one.process.poll() is None:
        if one.socket.exists():
            with one.client() as client:
                if client.get("/readyz").status_code == 200:
                    return
        time.sleep(0.1)
    raise TimeoutError("the service was not ready within five minutes")
