"""The operator's own client: verified TLS by the name, whatever the address, and errors in words."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deploy.certificates.authority import authority
from deploy.door import Door
from deploy.errors import CasemateError
from tests.deploy.speaking import NAME, Piece, Speaking, answer, chunk, cut, event, speaking


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("door") / "ca"


@pytest.fixture(scope="module")
def there(ca: Path) -> Iterator[Speaking]:
    with speaking(ca) as server:
        yield server


@pytest.fixture
def port(there: Speaking) -> int:
    there.says()
    return there.server_port


def door(ca: Path | None, port: int, **changes: Any) -> Door:
    wanted = {"host": "gpu1", "address": "127.0.0.1", "port": port, "server_name": NAME, "ca": ca and ca / "ca.pem"}
    return Door(**{**wanted, "patience": 5, **changes})


def asked(door: Door, document: Any = None) -> list[Any]:
    """All that comes."""
    with door.stream("/v1/x", document, "key") as stream:
        return list(stream.events)


def said(there: Speaking, ca: Path, *pieces: Piece, patience: float = 5) -> list[Any]:
    there.says(pieces)
    return asked(door(ca, there.server_port, patience=patience))


def test_an_answer_and_what_was_sent_for_it(ca: Path, there: Speaking) -> None:
    there.says([event({"a": "Käse"}), event(b"[DONE]")])
    with door(ca, there.server_port).stream("/v1/x", {"q": "?"}, "key") as stream:
        assert stream.request == "0123456789abcdef"
        assert list(stream.events) == [{"a": "Käse"}]
    [(headers, body)] = there.seen
    assert (headers["Authorization"], headers["Host"], body) == (
        "Bearer key",
        f"{NAME}:{there.server_port}",
        {"q": "?"},
    )


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 100_000])
def test_wherever_it_is_cut(ca: Path, there: Speaking, size: int) -> None:
    """Inside `data:`, inside a character, between the two line feeds, before the end."""
    whole = answer("三个", "红色🔴", "圆形")
    found = said(there, ca, *cut(whole, size))
    assert found == said(there, ca, whole)
    assert "".join(one["choices"][0]["delta"].get("content", "") for one in found if one["choices"]) == "三个红色🔴圆形"


@pytest.mark.long
def test_it_comes_as_it_is_said(ca: Path, there: Speaking) -> None:
    there.says([event({"n": 1}), 3.0, event({"n": 2}), event(b"[DONE]")])
    began = time.monotonic()
    with door(ca, there.server_port).stream("/", {}, "key") as stream:
        assert next(stream.events) == {"n": 1}
        assert time.monotonic() - began < 3
        assert list(stream.events) == [{"n": 2}]
    assert time.monotonic() - began > 3


def test_who_hangs_up_is_gone(ca: Path, there: Speaking) -> None:
    there.says([chunk({"content": "a"}), *(0.02, b": still here\n\n") * 500])
    with door(ca, there.server_port).stream("/", {}, "key") as stream:
        next(stream.events)
        assert not there.gone.is_set()
    assert there.gone.wait(5)


@pytest.mark.parametrize(
    "pieces", [(), (event({"n": 1}), None), (event({"n": 1}), b"data: {", None), (event({"n": 1}),)]
)
def test_an_answer_without_its_end(ca: Path, there: Speaking, pieces: tuple[Piece, ...]) -> None:
    with pytest.raises(CasemateError, match="gpu1: the answer broke off before its end") as raised:
        said(there, ca, *pieces)
    assert "casemate status" in raised.value.next


def test_a_failure_within_an_answer(ca: Path, there: Speaking) -> None:
    with pytest.raises(CasemateError, match="gpu1: the answer broke off: the service is stopping") as raised:
        said(there, ca, event({"n": 1}), event({"error": {"message": "the service is stopping"}}))
    assert "the same command" in raised.value.next


@pytest.mark.long
def test_silence_within_an_answer(ca: Path, there: Speaking) -> None:
    with pytest.raises(CasemateError, match="gpu1: no answer within 1 s"):
        said(there, ca, event({"n": 1}), 3.0, patience=1)


@pytest.mark.parametrize(
    ("status", "next_"),
    [
        (401, "casemate key new"),
        (413, "smaller picture"),
        (429, "the same command in 7 s"),
        (503, "the same command in 7 s; if it stays so: casemate status"),
        (400, "correct"),
    ],
)
def test_a_refusal_in_the_door_s_own_words(ca: Path, there: Speaking, status: int, next_: str) -> None:
    words = {"error": {"message": "The API key was refused.", "type": "x", "param": None, "code": "y"}}
    there.says([json.dumps(words).encode()], status, {"Content-Type": "application/json", "Retry-After": "7"})
    with pytest.raises(CasemateError, match=rf"gpu1: The API key was refused\. \(HTTP {status}\)") as raised:
        asked(door(ca, there.server_port))
    assert next_ in raised.value.next


def test_a_refusal_without_words(ca: Path, there: Speaking) -> None:
    there.says([b"<html>"], 502)
    with pytest.raises(CasemateError, match=r"no reason given \(HTTP 502\)"):
        asked(door(ca, there.server_port))
    there.says([b'{"error": "busy"}'], 429)
    with pytest.raises(CasemateError, match=r"no reason given \(HTTP 429\)") as raised:
        asked(door(ca, there.server_port))
    assert raised.value.next == "the same command in a little while"


def test_what_is_no_stream_and_what_is_no_json(ca: Path, there: Speaking) -> None:
    there.says([b"<html>"], headers={"Content-Type": "text/html"})
    with pytest.raises(CasemateError, match="the answer is no stream of events"):
        asked(door(ca, there.server_port))
    with pytest.raises(CasemateError, match="the answer is not JSON"):
        said(there, ca, event(b"<html>"))
    for endless in (b"9" * (2 << 20), b"[" * 500_000):
        with pytest.raises(CasemateError, match="the answer is not JSON"):
            said(there, ca, event(endless))


def test_another_name_gets_no_key(ca: Path, port: int) -> None:
    with pytest.raises(CasemateError, match=r"does not prove to be other\.example"):
        asked(door(ca, port, server_name="other.example"))


def test_another_ca_gets_no_key(ca: Path, port: int, tmp_path: Path) -> None:
    authority(tmp_path / "other", datetime.now(UTC))
    with pytest.raises(CasemateError, match="does not prove to be") as raised:
        asked(door(tmp_path / "other", port))
    assert "no key was sent" in raised.value.next
    with pytest.raises(CasemateError, match="does not prove to be"):
        asked(door(None, port))


def test_no_ca(port: int, tmp_path: Path) -> None:
    with pytest.raises(CasemateError, match="not a CA certificate"):
        asked(door(tmp_path, port))


def test_nobody_there(ca: Path) -> None:
    with pytest.raises(CasemateError, match=r"gpu1: nobody answers at 127\.0\.0\.1:1 "):
        asked(door(ca, 1))


def test_a_path_without_a_key_is_asked_for_its_status(ca: Path, port: int) -> None:
    assert door(ca, port).get("/readyz") == 200
    assert door(ca, port).get("/else") == 503
    with pytest.raises(CasemateError, match="does not prove to be"):
        door(None, port).get("/readyz")
