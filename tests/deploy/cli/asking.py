"""casemate ask as an operator types it, in a process of its own."""

import subprocess
import sys
from pathlib import Path
from typing import Any

from deploy.paths import ROOT
from tests.deploy.speaking import NAME

PNG = b"\x89PNG\r\n\x1a\n"
PROGRAM = "import sys; from deploy.cli import main; sys.argv[0] = 'casemate'; main()"


class Asking:
    """Asks the host `one` behind a door that speaks."""

    def __init__(self, folder: Path, inventory: str, ca: Path, port: int) -> None:
        proxy = {
            "proxy.server_name": NAME,
            "proxy.ca": ca,
            "proxy.address": f"127.0.0.1:{port}",
            "proxy.max_body": "1m",
        }
        data = [word for name, value in proxy.items() for word in ("--data", f"{name}={value}")]
        self.pictures = [str(folder / "cat.png"), str(folder / "dog.png")]
        (folder / "dog.png").write_bytes(PNG + b"dog")
        self._command = [sys.executable, "-c", PROGRAM, "ask", inventory, "--limit", "one", *data]

    def start(self, *words: str) -> subprocess.Popen[str]:
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        return subprocess.Popen([*self._command, *words], cwd=ROOT, text=True, **pipes)

    def __call__(self, *words: str, given: str = "") -> tuple[int, str, str]:
        process = self.start(*words)
        told = process.communicate(given, timeout=30)
        return (process.returncode, *told)
