"""The real daemon, as a process, over a host of its own below a temporary directory."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deploy.paths import ROOT
from service.sentinel.control import ControlError, ask
from service.sentinel.entry import named
from service.sentinel.layout import Layout

Line = dict[str, Any]


@dataclass
class Sentinel:
    """`watched` is its first root. Every method waits for conditions; AssertionError when one does not come true."""

    root: Path
    settings: dict[str, Any] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.layout = Layout(self.root)
        self.watched = self.root / "srv/web"
        self.watched.mkdir(parents=True)
        self.key = self.root / "operator"
        self.layout.signers.parent.mkdir(parents=True)
        make = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "operator", "-f", str(self.key)]
        subprocess.run(make, check=True)
        self.layout.signers.write_text(f"operator {self.key.with_suffix('.pub').read_text()}")

    def configure(self, **settings: Any) -> None:
        web = {"name": "web", "severity": "critical", "roots": [str(self.watched)]}
        usual: dict[str, Any] = {"sets": [web], "sweep_seconds": 3600, "group_seconds": 0.2}
        self.settings = {**usual, **self.settings, **settings}
        self.layout.configuration.parent.mkdir(parents=True, exist_ok=True)
        self.layout.configuration.write_text(json.dumps(self.settings))

    def start(self, **settings: Any) -> Sentinel:
        """Returns when it watches, has swept, and has a baseline."""
        self.configure(**settings)
        command = [sys.executable, "-m", "service.sentinel", "--root", str(self.root), "run"]
        seen = len(self.lines())
        self.process = subprocess.Popen(command, cwd=ROOT)
        self.wait(lambda line: line["event"] == "started", after=seen)
        until(lambda: self.status().get("baseline") and self.status()["swept"]["at"] and not self.status()["enrolling"])
        return self

    def arrives(self, path: Path, text: str) -> None:
        """The file is there with all of its content at once: nobody finds it empty first."""
        (self.root / "on-its-way").write_text(text)
        (self.root / "on-its-way").rename(path)

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process
        with suppress(ProcessLookupError):
            self.process.send_signal(number)
        return self.process.wait(20)

    def close(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(10)

    def lines(self) -> list[Line]:
        """What the log says, its rotated files aside; a line that is being written is none yet."""
        if not self.layout.log.exists():
            return []
        whole, _, _ = self.layout.log.read_bytes().rpartition(b"\n")
        return [json.loads(line) for line in whole.splitlines()]

    def alerts(self, path: Path | bytes | None = None) -> list[Line]:
        wanted = os.fsencode(path) if path else None
        return [one for one in self.lines() if one["event"] == "alert" and wanted in (None, where(one))]

    def wait(self, wanted: Callable[[Line], object], after: int = 0, seconds: float = 15) -> Line:
        """The first line that is wanted, of those from number `after` on."""
        found: list[Line] = []

        def there() -> bool:
            found[:] = [line for line in self.lines()[after:] if wanted(line)]
            return bool(found)

        until(there, seconds)
        return found[0]

    def alerted(self, path: Path | bytes, what: str, after: int = 0) -> Line:
        return self.wait(
            lambda line: line["event"] == "alert" and where(line) == os.fsencode(path) and line["what"] == what, after
        )

    def ask(self, do: str, **fields: Any) -> dict[str, Any]:
        return ask(self.layout.control, {"do": do, **fields})

    def status(self) -> dict[str, Any]:
        with suppress(ControlError):
            return self.ask("status")
        return {}

    def true(self) -> None:
        """The invariant: after a sweep, what was alerted is what lies there."""
        self.ask("sweep")
        known: dict[bytes, Any] = {}
        for line in self.lines():
            if line["event"] in ("alert", "planned") and line["what"] != "transient":
                known[where(line)] = shown(line.get("after"))
        wrong = {path: (told, of(path)) for path, told in known.items() if told != of(path)}
        assert not wrong

    def signed(self, document: object, namespace: str, key: Path | None = None) -> dict[str, str]:
        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        command = ["ssh-keygen", "-Y", "sign", "-q", "-f", str(key or self.key), "-n", namespace]
        done = subprocess.run(command, input=content, capture_output=True, check=True)
        return {"document": base64.b64encode(content).decode(), "signature": done.stdout.decode()}

    def sign_baseline(self) -> dict[str, Any]:
        """As the operator does it."""
        document = base64.b64decode(self.ask("baseline show")["document"])
        signature = self.signed(document, "casemate-baseline-v1")["signature"]
        return self.ask("baseline sign", signature=signature)

    def window(self, run: str = "run1", sequence: int = 1, seconds: float = 60, **said: Any) -> dict[str, str]:
        """A signed document; `said` goes over it."""
        document = {
            **{"schema": 1, "host": socket.gethostname(), "run": run, "by": "olga", "opened": time.time()},
            **{"until": time.time() + seconds, "sequence": sequence, "plan": [], **said},
        }
        return self.signed(document, "casemate-window-v1")


def where(line: Line) -> bytes:
    return named(line["path"])


def shown(after: Line | None) -> tuple[Any, ...] | None:
    return None if after is None else (after["kind"], after["mode"], after.get("sha256"), after.get("target"))


def of(path: bytes) -> tuple[Any, ...] | None:
    """The same of what lies there, by other means than the sentinel's."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    if os.path.realpath(os.path.dirname(path)) != os.path.dirname(path):
        return None  # Seen through a link: nothing is there.
    form = stat.S_IFMT(found.st_mode)
    kind = {stat.S_IFREG: "file", stat.S_IFDIR: "directory", stat.S_IFLNK: "link"}.get(form, "other")
    content = hashlib.sha256(Path(os.fsdecode(path)).read_bytes()).hexdigest() if kind == "file" else None
    target = os.readlink(path).decode() if kind == "link" else None
    return (kind, f"{stat.S_IMODE(found.st_mode):04o}", content, target)


def until(true: Callable[[], object], seconds: float = 15) -> None:
    """Wait for a condition."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.01)
