"""Real receivers for the outlets: an HTTP server, a syslog server over TCP, TLS and UDP, a journal's socket."""

import contextlib
import http.server
import json
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from service.sentinel.outlets.message import Message, Told


def told(seq: int, event: str = "alert", severity: Any = "high", **fields: Any) -> Told:
    own = {"set": "etc", "what": "changed", "path": f"/etc/{seq}"} if event == "alert" else {}
    return Told(seq, 1_700_000_000.0 + seq, event, severity, {"event": event, "severity": severity, **own, **fields})


def message(seq: int, event: str = "alert", severity: Any = "high", **fields: Any) -> Message:
    return Message.of(told(seq, event, severity, **fields), "host1")


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for this DNS name or address, which is its own CA, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    numeric = re.fullmatch(r"[\d.]+", name)
    alternative = x509.IPAddress(ip_address(name)) if numeric else x509.DNSName(name)
    now = datetime.now(timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([alternative]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = directory / f"{name}.pem", directory / f"{name}.key"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return paths


def server_side(directory: Path, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate(directory, name))
    return context


@dataclass
class Posted:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


@dataclass
class Web:
    """An HTTP server; `status` is what it answers, `location` where it redirects to, `hang` keeps it from answering."""

    port: int = 0
    status: int = 200
    location: str = ""
    hang: threading.Event | None = None
    drip: bool = False
    posted: list[Posted] = field(default_factory=list)
    got: list[str] = field(default_factory=list)


@contextlib.contextmanager
def web(port: int = 0, context: ssl.SSLContext | None = None) -> Iterator[Web]:
    state = Web()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if state.hang:
                state.hang.wait(60)
            if state.drip:
                with contextlib.suppress(OSError):
                    while True:
                        self.wfile.write(b"H")
                        time.sleep(0.02)
                return
            state.posted.append(Posted(self.path, dict(self.headers), body))
            self.send_response(state.status)
            if state.location:
                self.send_header("Location", state.location)
            self.end_headers()

        def do_GET(self) -> None:
            state.got.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Not on the terminal of the tests."""

    class Server(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *arguments: object) -> None:
            """Broken connections are part of the tests."""

    server = Server(("127.0.0.1", port), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    state.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield state
    finally:
        if state.hang:
            state.hang.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def syslog_server(context: ssl.SSLContext | None = None, port: int = 0) -> "Iterator[tuple[int, queue.Queue[bytes]]]":
    """A stream server that takes frames apart; yields its port and the frames."""
    frames: queue.Queue[bytes] = queue.Queue()
    listener = socket.create_server(("127.0.0.1", port))
    connections: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                plain = listener.accept()[0]
            except OSError:
                return
            connections.append(plain)
            threading.Thread(target=read, args=[plain], daemon=True).start()

    def read(plain: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError):
            connection = context.wrap_socket(plain, server_side=True) if context else plain
            connections.append(connection)
            file = connection.makefile("rb")
            while digits := b"".join(iter(lambda: file.read(1).strip(), b"")):
                frames.put(file.read(int(digits)))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], frames
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        thread.join(5)


@contextlib.contextmanager
def journal(path: Path) -> "Iterator[queue.Queue[dict[str, str]]]":
    """A datagram socket where journald's would be; yields the entries, taken apart."""
    entries: queue.Queue[dict[str, str]] = queue.Queue()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(path))
        listener.settimeout(0.05)
        done = threading.Event()

        def read() -> None:
            while not done.is_set():
                with contextlib.suppress(TimeoutError):
                    entries.put(_entry(listener.recv(1 << 20)))

        thread = threading.Thread(target=read)
        thread.start()
        try:
            yield entries
        finally:
            done.set()
            thread.join()
            path.unlink()


def _entry(content: bytes) -> dict[str, str]:
    fields = {}
    while content:
        name, _, rest = content.partition(b"\n")
        size = int.from_bytes(rest[:8], "little")
        fields[name.decode()], content = rest[8 : 8 + size].decode(), rest[9 + size :]
    return fields
