"""Stand-ins for gate and vision on a UNIX socket, as a process of its own so that it can be killed and frozen.

python behind.py gate|vision SOCKET SEEN: each request that it gets becomes a JSON line in SEEN. Standard library only.
"""

import hashlib
import json
import socketserver
import sys
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

ROLE, SOCKET, SEEN = sys.argv[1:4]
CHUNKS, PAUSE_SECONDS = 4, 1.0


class Answering(BaseHTTPRequestHandler):
    """What both have in common: HTTP/1.1 over a UNIX socket, and a line for what came."""

    protocol_version = "HTTP/1.1"

    def address_string(self) -> str:
        """A UNIX socket's client has no address."""
        return "unix"

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""

    def note(self, body: bytes = b"") -> dict[str, Any]:
        """Remember the request."""
        seen = {
            "method": self.command,
            "path": self.path,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "length": len(body),
            "sha256": hashlib.sha256(body).hexdigest(),
        }
        with Path(SEEN).open("a") as file:
            file.write(json.dumps(seen) + "\n")
        return seen

    def send(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        """A whole answer."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def body(self) -> bytes:
        """The request's body, chunked or not."""
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)


class Gate(Answering):
    """Lets `Bearer good` in as demo, refuses `Bearer confined` and everybody else."""

    def do_GET(self) -> None:
        self.note()
        key = self.headers.get("Authorization", "")
        if key == "Bearer good":
            self.send(204, {"X-Auth-Principal": "demo", "X-Auth-Key-Id": "demo"})
        elif key == "Bearer confined":
            self.send(403, {"X-Auth-Reason": "outside-scope"})
        elif key == "Bearer broken":
            self.send(200 if self.path != "/verify" else 302, {"Location": "/"})
        else:
            self.send(401, {"X-Auth-Reason": "unknown-key", "WWW-Authenticate": 'Bearer realm="casemate"'})


class Vision(Answering):
    """Echoes what it got; streams, misbehaves or is busy where the body asks for it."""

    def do_GET(self) -> None:
        headers = {"Cache-Control": "public", "ETag": '"v1"', "Content-Security-Policy": "default-src 'none'"}
        if self.headers.get("If-None-Match") == '"v1"':
            self.note()
            self.send(304, headers)
        else:
            self.send(200, {"Content-Type": "application/json", **headers}, json.dumps(self.note()).encode())

    def do_HEAD(self) -> None:
        self.note()
        self.send(200, {"Content-Type": "application/json"})

    def do_POST(self) -> None:
        body = self.body()
        seen = self.note(body)
        if body == b"stream":
            self.stream()
        elif body == b"busy":
            self.send(429, {"Retry-After": "7", "Content-Type": "application/json"}, b'{"error":{"code":"queue_full"}}')
        elif body == b"steer":
            steering = {"X-Accel-Redirect": "/_verify", "Set-Cookie": "a=b", "X-Request-ID": "forged"}
            self.send(200, {**steering, "X-Accel-Limit-Rate": "1"}, json.dumps(seen).encode())
        else:
            self.send(200, {"Content-Type": "application/json"}, json.dumps(seen).encode())

    def stream(self) -> None:
        """Server-sent events, one at a time."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in range(CHUNKS):
            event = f"data: {number}\n\n".encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
            self.wfile.flush()
            time.sleep(PAUSE_SECONDS)
        self.wfile.write(b"0\r\n\r\n")


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """A thread a connection."""

    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    # The socket has its name when it can be connected to.
    with Server(f"{SOCKET}.new", Gate if ROLE == "gate" else Vision) as server:
        Path(f"{SOCKET}.new").chmod(0o666)
        Path(f"{SOCKET}.new").rename(SOCKET)
        server.serve_forever()
