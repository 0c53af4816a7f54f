"""The operator's own client: verified TLS by the name, whatever the address, and errors in words."""

import json
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.certificates.authority import authority
from deploy.certificates.issue import server_certificate
from deploy.door import Door
from deploy.errors import CasemateError
from deploy.settings.proxy import ProxySettings

NAME = "vision.example.org"


class Answering(BaseHTTPRequestHandler):
    """Says what the request's body tells it to, and which headers came."""

    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        body = json.dumps({**wanted.get("body", {}), "seen": dict(self.headers)}).encode()
        self.send_response(wanted.get("status", 200))
        self.end_headers()
        self.wfile.write(wanted["text"].encode() if "text" in wanted else body)

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 503)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Silent."""


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("door") / "ca"


@pytest.fixture(scope="module")
def port(ca: Path) -> Iterator[int]:
    """A door that listens on loopback and proves to be NAME."""
    server_certificate(ProxySettings(server_name=NAME, ca=ca), "host")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(ca / "hosts" / "host.pem")
    server = HTTPServer(("127.0.0.1", 0), Answering)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def door(ca: Path | None, port: int, **changes: Any) -> Door:
    wanted = {"host": "gpu1", "address": "127.0.0.1", "port": port, "server_name": NAME, "ca": ca and ca / "ca.pem"}
    return Door(**{**wanted, "patience": 5, **changes})


def test_an_answer(ca: Path, port: int) -> None:
    found = door(ca, port).post("/v1/x", {"body": {"a": "Käse"}}, "key")
    assert found["a"] == "Käse"
    assert found["seen"]["Authorization"] == "Bearer key"
    assert found["seen"]["Host"] == f"{NAME}:{port}"


@pytest.mark.parametrize(
    ("status", "next_"),
    [(401, "casemate key new"), (413, "smaller picture"), (503, "casemate status"), (400, "correct")],
)
def test_a_refusal_in_the_door_s_own_words(ca: Path, port: int, status: int, next_: str) -> None:
    said = {"error": {"message": "The API key was refused.", "type": "x", "param": None, "code": "y"}}
    with pytest.raises(CasemateError, match=rf"gpu1: The API key was refused\. \(HTTP {status}\)") as raised:
        door(ca, port).post("/", {"status": status, "body": said}, "key")
    assert next_ in raised.value.next


def test_a_refusal_without_words(ca: Path, port: int) -> None:
    with pytest.raises(CasemateError, match=r"no reason given \(HTTP 502\)"):
        door(ca, port).post("/", {"status": 502, "text": "<html>"}, "key")


def test_what_is_no_json(ca: Path, port: int) -> None:
    with pytest.raises(CasemateError, match="the answer is not JSON"):
        door(ca, port).post("/", {"text": "<html>"}, "key")


def test_another_name_gets_no_key(ca: Path, port: int) -> None:
    with pytest.raises(CasemateError, match=r"does not prove to be other\.example"):
        door(ca, port, server_name="other.example").post("/", {}, "key")


def test_another_ca_gets_no_key(ca: Path, port: int, tmp_path: Path) -> None:
    authority(tmp_path / "other", datetime.now(UTC))
    with pytest.raises(CasemateError, match="does not prove to be") as raised:
        door(tmp_path / "other", port).post("/", {}, "key")
    assert "no key was sent" in raised.value.next
    with pytest.raises(CasemateError, match="does not prove to be"):
        door(None, port).post("/", {}, "key")


def test_no_ca(port: int, tmp_path: Path) -> None:
    with pytest.raises(CasemateError, match="not a CA certificate"):
        door(tmp_path, port).post("/", {}, "key")


def test_nobody_there(ca: Path) -> None:
    with pytest.raises(CasemateError, match=r"gpu1: nobody answers at 127\.0\.0\.1:1 "):
        door(ca, 1).post("/", {}, "key")


def test_a_path_without_a_key_is_asked_for_its_status(ca: Path, port: int) -> None:
    assert door(ca, port).get("/readyz") == 200
    assert door(ca, port).get("/else") == 503
    with pytest.raises(CasemateError, match="does not prove to be"):
        door(None, port).get("/readyz")
