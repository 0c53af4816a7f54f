"""A door that says what a test tells it to: TLS on loopback, proving to be NAME, answers in pieces cut anywhere."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from deploy.certificates.issue import server_certificate
from deploy.settings.proxy import ProxySettings

NAME = "vision.example.org"
EVENTS = {"Content-Type": "text/event-stream; charset=utf-8", "X-Request-ID": "0123456789abcdef"}

Piece = bytes | float | None
"""What is written as one chunk and one TLS record, a pause in seconds, or the connection cut."""


class Speaking(ThreadingHTTPServer):
    """Set `status`, `headers` and `pieces` before a request; `seen` and `gone` tell what came of it."""

    daemon_threads = True

    def __init__(self, ca: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        server_certificate(ProxySettings(server_name=NAME, ca=ca), "host")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(ca / "hosts" / "host.pem")
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.says()

    def says(self, pieces: Sequence[Piece] = (), status: int = 200, headers: dict[str, str] | None = None) -> None:
        """Answer the next requests so."""
        self.pieces, self.status, self.headers = pieces, status, EVENTS if headers is None else headers
        self.seen: list[tuple[dict[str, str], Any]] = []
        self.gone = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Silent: clients that hang up are what is tested."""


class _Handler(BaseHTTPRequestHandler):
    server: Speaking
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((dict(self.headers), json.loads(body)))
        self._head(self.server.status)
        try:
            for piece in self.server.pieces:
                self._say(piece)
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.server.gone.set()
        self.close_connection = True

    def do_GET(self) -> None:
        self._head(200 if self.path == "/readyz" else 503)
        self.wfile.write(b"0\r\n\r\n")
        self.close_connection = True

    def _head(self, status: int) -> None:
        self.send_response(status)
        for name, value in {**self.server.headers, "Transfer-Encoding": "chunked"}.items():
            self.send_header(name, value)
        self.end_headers()

    def _say(self, piece: Piece) -> None:
        if piece is None:
            raise BrokenPipeError
        if isinstance(piece, float):
            time.sleep(piece)
        else:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@contextlib.contextmanager
def speaking(ca: Path) -> Iterator[Speaking]:
    """It listens until the context ends."""
    server = Speaking(ca)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def event(content: Any) -> bytes:
    """As the service writes it."""
    return (
        b"data: "
        + (content if isinstance(content, bytes) else json.dumps(content, ensure_ascii=False).encode())
        + b"\n\n"
    )


def chunk(delta: dict[str, str], reason: str | None = None) -> bytes:
    """One more of an answer."""
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return event(
        {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "micro", "choices": [choice], "usage": None}
    )


def answer(*texts: str, reason: str = "stop", thought: str = "") -> bytes:
    """A whole one, from the role to the end."""
    usage = {"prompt_tokens": 7, "completion_tokens": len(texts), "total_tokens": 7 + len(texts)}
    return b"".join(
        (
            chunk({"role": "assistant", "content": ""}),
            *([chunk({"reasoning_content": thought})] if thought else []),
            b": still here\n\n",
            *(chunk({"content": text}) for text in texts),
            chunk({}, reason),
            event({"model": "micro", "choices": [], "usage": usage}),
            event(b"[DONE]"),
        )
    )


def cut(content: bytes, size: int) -> list[bytes]:
    """In pieces of so many bytes, whatever they cut through."""
    return [content[at : at + size] for at in range(0, len(content), size)]
