"""The control socket: a JSON request a line, a JSON answer a line. Both ends of it."""

from __future__ import annotations

import json
import os
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_LONGEST = 32 << 20
_PATIENCE = 900.0
"""Seconds that a client waits: the end of a window may have to wait for weights to be hashed."""


class ControlError(Exception):
    """The request is refused; the message says why and what next."""


class Control:
    """Answers who may: root, and who the sentinel itself runs as. `answer` raises ControlError."""

    def __init__(self, path: Path, answer: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
        path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = _Server(str(path), _Connection)
        finally:
            os.umask(before)
        self._server.answer = answer
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="control", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closed = True
        self._server.socket.shutdown(socket.SHUT_RDWR)  # Who waits for a connection wakes up.
        self._thread.join()
        self._server.server_close()

    def _serve(self) -> None:
        """`serve_forever` would look five times a second whether it is to end."""
        while not self._closed:
            self._server.handle_request()


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    answer: Callable[[dict[str, Any]], dict[str, Any]]


class _Connection(socketserver.StreamRequestHandler):
    server: _Server
    timeout = 30

    def handle(self) -> None:
        credentials = self.connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        uid = struct.unpack("3i", credentials)[1]
        try:
            line = self.rfile.readline(_LONGEST)  # Read in any case: who is refused must get to hear it.
            if uid not in (0, os.geteuid()):
                raise ControlError(f"uid {uid} may not ask; next: sudo")
            asked = json.loads(line)
            if not isinstance(asked, dict):
                raise ControlError("expected one JSON object a line")
            told = {"ok": True, **self.server.answer(asked)}
        except (ControlError, ValueError) as error:
            told = {"ok": False, "error": str(error)}
        try:
            self.wfile.write(json.dumps(told).encode() + b"\n")
        except OSError:
            return  # Who asked does not wait for the answer.


def ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """The answer of the daemon that listens there. Raises ControlError."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_PATIENCE)
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as file:
                answer = json.loads(file.readline())
        except OSError as error:
            raise ControlError(f"{path}: {error}; next: systemctl status casemate-sentinel") from None
        except ValueError:
            raise ControlError(f"{path}: the sentinel ended before it answered; next: look at its journal") from None
    if not answer.pop("ok"):
        raise ControlError(answer["error"])
    found: dict[str, Any] = answer
    return found
