"""Prompts and pictures pass through memory only, and no further than they may."""

from collections.abc import Iterator
from typing import Any

import pytest

MB = 1 << 20


def chunks(count: int) -> Iterator[bytes]:
    """A body whose length nobody said."""
    for _ in range(count):
        yield bytes(MB // 4)


def chunked(door: Any, count: int) -> Any:
    """Send that."""
    headers = {"Authorization": "Bearer good", "Transfer-Encoding": "chunked"}
    return door.ask(chunks(count), headers, encode_chunked=True)


def test_a_picture_of_5_mb_passes(door: Any) -> None:
    """The question to the gate has a limit of its own, on the same length."""
    assert door.ask(bytes(5 * MB)).json["length"] == 5 * MB


def test_so_does_one_that_does_not_say_its_length(door: Any) -> None:
    assert chunked(door, 20).json["length"] == 5 * MB


def test_a_request_up_to_the_limit_passes(door: Any) -> None:
    assert door.ask(bytes(24 * MB)).json["length"] == 24 * MB


@pytest.mark.parametrize("send", [lambda door: door.ask(bytes(24 * MB + 1)), lambda door: chunked(door, 97)])
def test_a_larger_one_is_refused_in_words(door: Any, send: Any) -> None:
    answer = send(door)
    assert (answer.status, answer.code) == (413, "request_too_large")
    assert "24m" in answer.json["error"]["message"]


def test_nothing_of_it_is_ever_on_a_disk(door: Any) -> None:
    """Whoever spools fails: see the control."""
    assert door.ask(bytes(20 * MB)).status == 200
    assert chunked(door, 80).status == 200
    assert not list((door.root / "spool").iterdir())


def test_control_a_proxy_that_spools_fails_loudly(own_door: Any) -> None:
    def spooling(text: str) -> str:
        return text.replace("proxy_request_buffering off", "proxy_request_buffering on").replace(
            "client_body_buffer_size 24m", "client_body_buffer_size 16k"
        )

    own_door.start(spooling)
    assert own_door.ask(bytes(MB)).status == 503
    assert "Permission denied" in own_door.log("error.log")


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/glm-4v", "/readyz", "/healthz"])
def test_where_no_body_belongs_none_is_taken(door: Any, path: str) -> None:
    answer = door.request("GET", path, body=bytes(2000))
    assert (answer.status, answer.code) == (413, "request_too_large")
    assert "24m" not in answer.json["error"]["message"]
