"""The door as it is deployed: the real Nginx with the rendered configuration, on loopback, before stand-ins."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from deploy.certificates.issue import server_certificate
from deploy.operations.templates import render
from deploy.settings.proxy import ProxySettings
from tests.freezing import freeze
from tests.ports import held_ports

NAME = "vision.example.org"
GOOD = {"Authorization": "Bearer good"}
BEHIND = Path(__file__).with_name("behind.py")


@dataclass
class Answer:
    """What came back; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)

    @property
    def code(self) -> str:
        """Of an error in OpenAI's form, which it must have whole."""
        assert self.headers["content-type"] == "application/json"
        error = self.json["error"]
        assert set(error) == {"message", "type", "param", "code"}
        assert error["message"]
        return str(error["code"])


@dataclass
class Door:
    """Nginx and what is behind it; all of it lies under `root`."""

    root: Path
    settings: ProxySettings
    nginx: subprocess.Popen[bytes] | None = None
    behind: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, change: Callable[[str], str] = lambda text: text, rejects_handshake: bool = True) -> None:
        """Start all three; `change` alters the rendered configuration, for controls."""
        for role in ("gate", "vision"):
            self.start_behind(role)
        for place in ("nginx", "log", "spool", "maintenance"):
            (self.root / place).mkdir()
        (self.root / "server.pem").write_text(server_certificate(self.settings, "host").pem())
        text = render("proxy/nginx.conf.j2", proxy=self.settings, rejects_handshake=rejects_handshake, ipv6=False)
        for place, here in {
            "/run/casemate": self.root,
            "/run/nginx": self.root / "nginx",
            "/var/log/casemate/proxy": self.root / "log",
            "/var/lib/casemate/proxy/spool": self.root / "spool",
            "/etc/casemate/proxy": self.root,
            "/var/lib/casemate/maintenance": self.root / "maintenance",
        }.items():
            assert place in text
            text = text.replace(place, str(here))
        # Inherited by the workers: the shared memory zones and modules stay as deployed.
        (self.root / "nginx.conf").write_text(change(text))
        self.nginx = subprocess.Popen(
            ["nginx", "-p", str(self.root), "-c", str(self.root / "nginx.conf"), "-g", "daemon off;"],
            stderr=subprocess.PIPE,
        )
        # An unwritable directory, as in the sandbox: only root could still write there, and workers are not root.
        self.until(lambda: self.get("/healthz").status == 200, "Nginx")
        shutil.chown(self.root / "spool", "root", "root")
        (self.root / "spool").chmod(0o500)

    def start_behind(self, role: str) -> None:
        """Start gate or vision under a new release, and lead `current` to it."""
        place = self.root / role
        place.mkdir(exist_ok=True)
        release = f"r{len(list(place.iterdir()))}"
        (place / release).mkdir()
        path = place / release / f"{role}.sock"
        seen = self.root / f"{role}.seen"
        self.behind[role] = subprocess.Popen([sys.executable, "-S", str(BEHIND), role, str(path), str(seen)])
        self.until(path.exists, role)
        (place / "new").symlink_to(release)
        (place / "new").replace(place / "current")

    def until(self, holds: Callable[[], bool], what: str, seconds: float = 20) -> float:
        """Wait; returns how long it took (s)."""
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if holds():
                    return time.monotonic() - began
            assert not self.nginx or self.nginx.poll() is None, (self.nginx.stderr or sys.stdin).read()
            time.sleep(0.02)
        raise AssertionError(f"{what} did not come")

    def connect(self, name: str = NAME, context: ssl.SSLContext | None = None) -> ssl.SSLSocket:
        """A TLS connection that asks for `name` and verifies it."""
        context = context or ssl.create_default_context(cafile=str(self.settings.ca / "ca.pem"))
        return context.wrap_socket(
            socket.create_connection(("127.0.0.1", self.settings.port), timeout=30), server_hostname=name
        )

    def open(self, method: str, path: str, headers: dict[str, str], body: Any = None, **more: Any) -> Any:
        """Send a request as it stands, without normalising its path; returns the unread answer."""
        connection = http.client.HTTPConnection("127.0.0.1")
        connection.sock = self.connect()
        connection.request(method, path, body, {"Host": NAME, **headers}, **more)
        return connection.getresponse()

    def request(self, method: str, path: str, headers: dict[str, str] = GOOD, body: Any = None, **more: Any) -> Answer:
        """One request with its whole answer; by default with the good key."""
        response = self.open(method, path, headers, body, **more)
        names = [name.lower() for name, _ in response.getheaders()]
        assert len(names) == len(set(names)), f"a header twice: {names}"
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())

    def get(self, path: str, headers: dict[str, str] = GOOD) -> Answer:
        """GET."""
        return self.request("GET", path, headers)

    def ask(self, body: Any = b"{}", headers: dict[str, str] = GOOD, **more: Any) -> Answer:
        """A chat completion."""
        return self.request("POST", "/v1/chat/completions", headers, body, **more)

    def raw(self, data: bytes) -> bytes:
        """Bytes over TLS, and all that comes back."""
        with self.connect() as connection:
            connection.sendall(data)
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
            return b"".join(parts)

    def seen(self, role: str) -> list[dict[str, Any]]:
        """All requests that gate or vision got."""
        file = self.root / f"{role}.seen"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def log(self, name: str) -> str:
        """access.jsonl or error.log."""
        return (self.root / "log" / name).read_text()

    def freeze(self, role: str) -> None:
        """Gate or vision stands still."""
        freeze(self.behind[role].pid)

    def thaw(self, role: str) -> None:
        """It goes on."""
        self.behind[role].send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End what was started."""
        for process in [*self.behind.values(), *([self.nginx] if self.nginx else [])]:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            process.wait(10)


@contextlib.contextmanager
def new_door(kind: type[Door] = Door, **settings: Any) -> Iterator[Door]:
    """A door that is not started yet."""
    # Nginx's workers are another user: pytest's own directories are closed to them.
    root = Path(tempfile.mkdtemp(prefix="casemate-door-"))
    root.chmod(0o755)
    with held_ports(2) as (port, redirect_port):
        wanted = {"server_name": NAME, "port": port, "redirect_port": redirect_port, "ca": root / "ca", **settings}
        door = kind(root, ProxySettings(**wanted))
        try:
            yield door
        finally:
            door.stop()
            shutil.rmtree(root)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The configuration names the workers' user, whom only root can become."""
    if shutil.which("nginx") and os.getuid() == 0:
        return
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.skip(reason="needs nginx and root; make test installs nginx"))


@pytest.fixture(scope="session")
def door() -> Iterator[Door]:
    """A door that several tests go through."""
    with new_door() as door:
        door.start()
        yield door


@pytest.fixture
def own_door() -> Iterator[Door]:
    """A door that this test may break; not started yet."""
    with new_door() as door:
        yield door
