"""A service on its socket, in a thread of the test."""

from __future__ import annotations

import base64
import io
import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
from PIL import Image

from service.ledger import verify
from service.vision.application import create
from service.vision.configuration import Configuration
from service.vision.engine.protocol import Engine
from service.vision.server import Server

IDENTITY = {"x-auth-principal": "alice", "x-auth-key-id": "alice-1", "x-real-ip": "192.0.2.7"}


class Running:
    """`client` speaks to it as Nginx does."""

    def __init__(self, directory: Path, engine: Engine, **settings: Any) -> None:
        given = {
            "model": directory,
            "model_name": "micro",
            "device": "cpu",
            "precision": "fp32",
            "queue": 4,
            "release": "r1",
        }
        places = {"socket": directory / "vision.sock", "audit_log": directory / "audit.jsonl"}
        self.configuration = Configuration(**{**given, **places, "max_new_tokens": 64, "drain_seconds": 5, **settings})
        self.engine = engine
        self.forgotten = 0
        app, self.serving = create(self.configuration, engine)
        self.server = Server(app, self.serving)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.client = self.connect()

    def start(self) -> Running:
        self.thread.start()
        deadline = time.monotonic() + 20
        while not self.server.started and time.monotonic() < deadline:
            time.sleep(0.005)
        return self

    def stop(self) -> None:
        self.client.close()
        self.server.should_exit = True
        self.thread.join(10)

    def connect(self, **headers: str) -> httpx.Client:
        return connect(self.configuration.socket, {**IDENTITY, **headers})

    def ask(self, body: Any = None, **changes: Any) -> httpx.Response:
        """POST a question with a picture; `changes` to its fields."""
        content = (
            body
            if isinstance(body, bytes)
            else json.dumps({**question(), **changes} if body is None else body).encode()
        )
        return self.client.post("/v1/chat/completions", content=content, headers={"content-type": "application/json"})

    def send(self, body: bytes, length: int | None = None) -> socket.socket:
        """A request by hand, to be able to leave in the middle of it."""
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(str(self.configuration.socket))
        headers = "".join(f"{name}: {value}\r\n" for name, value in IDENTITY.items())
        length = len(body) if length is None else length
        head = f"POST /v1/chat/completions HTTP/1.1\r\nhost: v\r\n{headers}content-length: {length}\r\n\r\n"
        connection.sendall(head.encode() + body)
        return connection

    def forget(self) -> None:
        """Let `lines` begin here."""
        self.forgotten = len(self._log())

    def lines(self, expected: int) -> list[dict[str, Any]]:
        """Those of the audit log since `forget` that close a request, once there are as many as expected."""
        deadline = time.monotonic() + 5
        while len(lines := self._closing()) < expected and time.monotonic() < deadline:
            time.sleep(0.01)
        assert len(lines) == expected
        assert not verify(self.configuration.audit_log).findings
        return lines

    def every(self) -> list[dict[str, Any]]:
        """All lines of the audit log since `forget`."""
        return [json.loads(line) for line in self._log()[self.forgotten :]]

    def _closing(self) -> list[dict[str, Any]]:
        return [line for line in self.every() if line["event"] == "request"]

    def _log(self) -> list[bytes]:
        """Without a line that is being written."""
        log = self.configuration.audit_log
        return log.read_bytes().rpartition(b"\n")[0].splitlines() if log.exists() else []


def connect(service: Path, headers: Mapping[str, str] = IDENTITY, timeout: float = 20) -> httpx.Client:
    transport = httpx.HTTPTransport(uds=str(service), verify=False)  # Else it reads all authorities, for no TLS.
    return httpx.Client(transport=transport, base_url="http://vision", headers=headers, timeout=timeout)


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def data_url(file: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(file).decode()}"


def picture(colour: str = "red", size: tuple[int, int] = (30, 20), kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind, **options)
    return file.getvalue()


def part(file: bytes | None = None, **options: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": data_url(file or picture()), **options}}


def user(*content: Any) -> dict[str, Any]:
    return {
        "role": "user",
        "content": [{"type": "text", "text": one} if isinstance(one, str) else one for one in content],
    }


def question() -> dict[str, Any]:
    return {"model": "micro", "messages": [user(part(), "What colour is it?")]}
