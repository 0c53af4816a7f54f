"""What comes back, and what is written down about it."""

import json
import time
from typing import Any

import pytest

GOOD = {"Authorization": "Bearer good"}


def spread(door: Any) -> float:
    """Seconds between the first and the last event of a stream (four, one second apart)."""
    response = door.open("POST", "/v1/chat/completions", GOOD, b"stream")
    times = []
    while response.read1(1000):
        times.append(time.monotonic())
    assert times
    return times[-1] - times[0]


@pytest.mark.long
def test_a_stream_arrives_as_it_is_made(door: Any) -> None:
    assert spread(door) > 1.5


@pytest.mark.long
def test_control_a_buffering_proxy_delivers_it_in_one_burst(own_door: Any) -> None:
    own_door.start(lambda text: text.replace("proxy_buffering off", "proxy_buffering on"))
    assert spread(own_door) < 1.5


def test_the_model_cannot_steer_the_door(door: Any) -> None:
    answer = door.ask(b"steer")
    assert answer.status == 200
    assert answer.json["path"] == "/v1/chat/completions"
    assert "set-cookie" not in answer.headers
    assert answer.headers["x-request-id"] == answer.json["headers"]["x-request-id"] != "forged"


def test_vision_speaks_for_itself(door: Any) -> None:
    answer = door.ask(b"busy")
    assert (answer.status, answer.json["error"]["code"], answer.headers["retry-after"]) == (429, "queue_full", "7")


def test_the_door_says_little_of_itself(door: Any) -> None:
    answer = door.get("/v1/models")
    assert answer.headers["server"] == "nginx"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["strict-transport-security"].startswith("max-age=")
    assert "content-encoding" not in door.request("GET", "/v1/models", {**GOOD, "Accept-Encoding": "gzip"}).headers


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"BROKEN\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\n\r\n", 400),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET /healthz HTTP/1.1\r\nHost: vision.example.org\r\nX: " + b"a" * 9_000 + b"\r\n\r\n", 400),
        (b"TRACE / HTTP/1.1\r\nHost: vision.example.org\r\nConnection: close\r\n\r\n", 405),
        (b"GET /healthz HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n", 421),
        (b"GET /v1/models%00 HTTP/1.1\r\nHost: vision.example.org\r\n\r\n", 400),
        (b"GET /healthz HTTP/2.0\r\nHost: vision.example.org\r\n\r\n", 400),
        (b"GET /healthz HTTP/1.1\r\nHost: vision.example.org\r\nConnection: close\r\nIf-Match: x\r\n\r\n", 412),
        (b"POST / HTTP/1.1\r\nHost: vision.example.org\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
    ],
)
def test_what_is_no_request_has_an_error_in_the_same_form(door: Any, sent: bytes, status: int) -> None:
    head, _, body = door.raw(sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}


def logged(door: Any, answer: Any) -> dict[str, Any]:
    """The one line about it, which is written after it was sent."""

    def lines() -> list[dict[str, Any]]:
        whole = door.log("access.jsonl").rpartition("\n")[0].splitlines()
        named = [line for line in map(json.loads, whole) if line["request_id"] == answer.headers["x-request-id"]]
        assert len(named) < 2
        return named

    door.until(lines, "the line")
    return lines()[0]


def test_the_access_log_says_who_and_what_but_no_secret(door: Any) -> None:
    answer = door.ask(b"secret prompt")
    refused = door.ask(headers={"Authorization": "Bearer secret-key"})
    door.raw(b'GET /"\\\xff HTTP/1.1\r\nHost: vision.example.org\r\nConnection: close\r\n\r\n')
    line = logged(door, answer)
    expected = {"client": "127.0.0.1", "method": "POST", "path": "/v1/chat/completions", "status": "200"}
    assert {**line, **expected, "principal": "demo", "key": "demo", "tls": "TLSv1.3"} == line
    assert (logged(door, refused)["reason"], logged(door, refused)["method"]) == ("unknown-key", "POST")
    assert "secret" not in door.log("access.jsonl") + door.log("error.log")


def test_too_many_requests_are_told_to_slow_down(own_door: Any) -> None:
    own_door.settings = own_door.settings.model_copy(update={"requests_per_second": 1})
    own_door.start()
    answers = [own_door.get("/v1/models") for _ in range(6)]
    assert answers[0].status == 200
    assert (answers[-1].status, answers[-1].code) == (429, "rate_limit_exceeded")
    assert answers[-1].headers["retry-after"] == "1"
