"""What is no HTTP, or is HTTP that two readers could read in two ways: refused in the API's shape; the next works."""

from __future__ import annotations

import json
import socket

import pytest

from service.ledger import Ledger, LedgerError
from tests.service.vision.running import IDENTITY, Running

HEAD = "".join(f"{name}: {value}\r\n" for name, value in IDENTITY.items())
BODY = json.dumps({"model": "micro", "messages": [{"role": "user", "content": "?"}]})
POST = f"POST /v1/chat/completions HTTP/1.1\r\nhost: v\r\n{HEAD}"


def exchanged(service: Running, request: str) -> tuple[bytes, bytes]:
    """Head and body of all that comes until the service hangs up."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        connection.connect(str(service.configuration.socket))
        connection.sendall(request.encode("latin-1"))
        head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
        return head, body


@pytest.mark.parametrize(
    "request_",
    [
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        "hello\r\n\r\n",
        "GET /v1/models HTTP/1.1\r\n\r\n",
        "GET /v1/models HTTP/1.1\r\nhost: v\r\nhost: w\r\n\r\n",
        "GET /v1/models HTTP/1.1\r\nhost: v\r\nx y: 1\r\n\r\n",
        "GET /v1/models HTTP/1.1\r\nhost: v\r\nx: a\x00b\r\n\r\n",
        "GET /a b HTTP/1.1\r\nhost: v\r\n\r\n",
        f"{POST}content-length: -1\r\n\r\n",
        f"{POST}content-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        f"{POST}content-length: 0x5\r\n\r\nhello",
        f"{POST}transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_refused(service: Running, request_: str) -> None:
    head, body = exchanged(service, request_)
    assert head.startswith(b"HTTP/1.1 400 ") or head.startswith(b"HTTP/1.1 501 ")
    assert b"content-type: application/json" in head.lower()
    assert json.loads(body)["error"].keys() == {"message", "type", "param", "code"}
    assert service.ask().status_code == 200


def test_a_length_and_chunks_are_one_request(service: Running) -> None:
    """The chunks count, as the standard has it; what a reader of the length would take for a second request is none."""
    hidden = "GET /v1/models HTTP/1.1\r\nhost: v\r\n\r\n"
    chunk = f"{len(BODY):x}\r\n{BODY}\r\n0\r\n\r\n"
    head, body = exchanged(
        service, f"{POST}content-length: 4\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n{chunk}{hidden}"
    )
    assert body.count(b"HTTP/1.1") == 0
    assert head.startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 400 "))


def test_the_control_a_good_one_by_hand(service: Running) -> None:
    head, body = exchanged(service, f"{POST}connection: close\r\ncontent-length: {len(BODY)}\r\n\r\n{BODY}")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert json.loads(body)["choices"][0]["message"]["content"] == "It is red."


def test_reads_are_bounded_whatever_is_installed(service: Running) -> None:
    """Beside uvloop uvicorn would take that, whose connections know no bound."""
    assert service.server.config.loop == "asyncio"


@pytest.mark.parametrize("request_", ["hello\r\n\r\n", f"{POST}content-length: -1\r\n\r\n"])
def test_what_is_no_http_leaves_one_line_that_names_nobody(service: Running, request_: str) -> None:
    service.forget()
    exchanged(service, request_)
    exchanged(service, request_)
    assert len(service.lines(2)) == 2
    for line in service.lines(2):
        said = [line[name] for name in ("event", "status", "reason", "principal", "key_id", "route", "method")]
        assert said == ["request", 400, "invalid_http", None, None, None, "other"]


def test_a_request_whose_end_is_no_http_leaves_its_own_line_alone(service: Running) -> None:
    service.forget()
    exchanged(service, f"{POST}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\nZZ\r\n")
    service.ask()
    first, second = service.lines(2)
    assert (first["principal"], first["status"], first["reason"]) == ("alice", 499, "cancelled")
    assert second["status"] == 200


def test_what_is_no_http_gets_no_answer_from_a_log_that_takes_no_line(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> range:
        raise LedgerError("full")

    monkeypatch.setattr(Ledger, "append_all", full)
    head, body = exchanged(service, "hello\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 ")
    assert json.loads(body)["error"]["code"] == "audit_unavailable"
    monkeypatch.undo()
    service.ask()  # The loss is told of before its line, and not in another test.
