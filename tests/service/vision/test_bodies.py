"""Bad bodies by hand: each is refused with its code and its place, in one shape, and nothing is fetched for any."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.service.vision.running import Running, part, picture, user
from tests.service.vision.scripted import ScriptedEngine

ASK: dict[str, Any] = {"model": "micro", "messages": [{"role": "user", "content": "hello"}]}
OURS = ("0x", "site-packages", "Traceback", "pydantic", "PIL", "/usr/", "/tmp/")
"""What only a library's or an interpreter's words would have."""


def also(raw: str) -> bytes:
    """A good body with one more field, written as it is."""
    return f"{json.dumps(ASK)[:-1]},{raw}}}".encode()


def saying(raw: str) -> bytes:
    """A body with these messages."""
    return f'{{"model":"micro","messages":{raw}}}'.encode()


def refused(answer: httpx.Response) -> tuple[int, str | None, str]:
    assert answer.headers["content-type"] == "application/json"
    assert len(answer.content) < 1000
    assert not [word for word in OURS if word in answer.text]
    error = answer.json()["error"]
    assert set(answer.json()) == {"error"}
    assert set(error) == {"message", "type", "param", "code"}
    return answer.status_code, error["param"], error["code"]


NO_JSON = (None, "invalid_json")
NO_OBJECT = ("body", "invalid_value")
WORDS = json.dumps(ASK).encode()
FIRST, PART = "messages[0]", "messages[0].content[0]"

BODIES: dict[str, tuple[bytes, tuple[str | None, str]]] = {
    "nothing": (b"", NO_JSON),
    "blanks": (b" \n\t", NO_JSON),
    "half": (WORDS[:-1], NO_JSON),
    "twice": (WORDS + WORDS, NO_JSON),
    "more behind": (WORDS + b"x", NO_JSON),
    "single quotes": (WORDS.replace(b'"', b"'"), NO_JSON),
    "comment": (b"/* */" + WORDS, NO_JSON),
    "comma": (WORDS[:-1] + b",}", NO_JSON),
    "byte order mark": (b"\xef\xbb\xbf" + WORDS, NO_JSON),
    "UTF-16": (json.dumps(ASK).encode("utf-16"), NO_JSON),
    "no UTF-8": (saying('[{"role":"user","content":"?"}]').replace(b"?", b"\xff\xfe"), NO_JSON),
    "too long UTF-8": (saying('[{"role":"user","content":"?"}]').replace(b"?", b"\xc0\xaf"), NO_JSON),
    "surrogate in UTF-8": (saying('[{"role":"user","content":"?"}]').replace(b"?", b"\xed\xa0\x80"), NO_JSON),
    "lone surrogate": (saying(r'[{"role":"user","content":"\ud800"}]'), NO_JSON),
    "lone surrogate as a name": (also(r'"\ud800":1'), NO_JSON),
    "raw control character": (saying('[{"role":"user","content":"a\x00b"}]'), NO_JSON),
    "10,000 lists": (saying("[" * 10_000 + "]" * 10_000), NO_JSON),
    "10,000 objects": (also('"x":' + '{"a":' * 10_000 + "1" + "}" * 10_000), NO_JSON),
    "10,000 lists in a neutral field": (also('"tools":' + "[" * 10_000 + "]" * 10_000), NO_JSON),
    "a number of 50,000 digits": (also('"max_tokens":' + "9" * 50_000), NO_JSON),
    "list": (b"[]", NO_OBJECT),
    "null": (b"null", NO_OBJECT),
    "number": (b"5", NO_OBJECT),
    "text": (b'"hello"', NO_OBJECT),
    "a form": (b"model=micro", NO_JSON),
    "nothing in it": (b"{}", ("model", "missing_parameter")),
    "no model": (json.dumps({"messages": ASK["messages"]}).encode(), ("model", "missing_parameter")),
    "no messages": (b'{"model":"micro"}', ("messages", "missing_parameter")),
    "NaN": (also('"temperature":NaN'), ("temperature", "invalid_value")),
    "Infinity": (also('"top_p":Infinity'), ("top_p", "invalid_value")),
    "1e400": (also('"repetition_penalty":1e400'), ("repetition_penalty", "invalid_value")),
    "1e1 for a whole number": (also('"max_tokens":1e1'), ("max_tokens", "invalid_value")),
    "4,000 digits": (also('"max_tokens":' + "9" * 4000), ("max_tokens", "invalid_value")),
    "4,000 digits below zero": (also('"seed":-' + "9" * 4000), ("seed", "invalid_value")),
    "more than is ever said": (also('"max_completion_tokens":65'), ("max_completion_tokens", "invalid_value")),
    "65 stops": (also('"stop":' + json.dumps(["a"] * 65)), ("stop", "invalid_value")),
    "an empty stop": (also('"stop":["a",""]'), ("stop[1]", "invalid_value")),
    "a stop of 257": (also('"stop":' + json.dumps("a" * 257)), ("stop[0]", "invalid_value")),
    "a stop that is none": (also('"stop":[null]'), ("stop[0]", "invalid_value")),
    "a user of 513": (also('"user":' + json.dumps("u" * 513)), ("user", "invalid_value")),
    "a model of 257": (json.dumps({**ASK, "model": "m" * 257}).encode(), ("model", "invalid_value")),
    "a name of 100,000": (also(f'"{"k" * 100_000}":1'), ("k" * 200, "unsupported_parameter")),
    "no name": (also('"":1'), ("body", "unsupported_parameter")),
    "functions": (also('"functions":[]'), ("functions", "unsupported_parameter")),
    "tools": (also('"tools":[{"type":"function"}]'), ("tools", "unsupported_parameter")),
    "a schema": (also('"response_format":{"type":"json_schema"}'), ("response_format", "unsupported_parameter")),
    "a message that is null": (saying("[null]"), (FIRST, "invalid_value")),
    "a message that is a list": (saying("[[null]]"), (FIRST, "invalid_value")),
    "a part that is null": (saying('[{"role":"user","content":[null]}]'), (PART, "invalid_value")),
    "content that is null": (saying('[{"role":"user","content":null}]'), (f"{FIRST}.content", "invalid_value")),
    "content that is an object": (saying('[{"role":"user","content":{}}]'), (f"{FIRST}.content", "invalid_value")),
    "text that is null": (
        saying('[{"role":"user","content":[{"type":"text","text":null}]}]'),
        (f"{PART}.text", "invalid_value"),
    ),
    "a picture that is null": (
        saying('[{"role":"user","content":[{"type":"image_url","image_url":null}]}]'),
        (f"{PART}.image_url", "invalid_value"),
    ),
    "a picture's URL that is null": (
        saying('[{"role":"user","content":[{"type":"image_url","image_url":{"url":null}}]}]'),
        (f"{PART}.image_url.url", "invalid_value"),
    ),
    "a film": (saying('[{"role":"user","content":[{"type":"video_url"}]}]'), (PART, "invalid_value")),
    "sound": (saying('[{"role":"user","content":[{"type":"input_audio"}]}]'), (PART, "invalid_value")),
    "an unknown role": (saying('[{"role":"root","content":"a"}]'), (FIRST, "invalid_value")),
    "a role that is a list": (saying('[{"role":["user"],"content":"a"}]'), (FIRST, "invalid_value")),
    "a tool's message": (saying('[{"role":"tool","tool_call_id":"x","content":"a"}]'), (FIRST, "invalid_value")),
    "a tool's call": (
        saying('[{"role":"assistant","content":"a","tool_calls":[{"id":"x"}]},{"role":"user","content":"b"}]'),
        (f"{FIRST}.tool_calls", "unsupported_parameter"),
    ),
    "the assistant's word last": (
        saying('[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]'),
        ("messages", "invalid_value"),
    ),
    "1,001 messages": (saying(json.dumps(ASK["messages"] * 1001)), ("messages", "invalid_value")),
    "nine pictures": (saying(json.dumps([user(*[part()] * 9)])), ("messages", "too_many_images")),
}


@pytest.mark.parametrize("name", BODIES)
def test_refused(service: Running, engine: ScriptedEngine, name: str) -> None:
    body, expected = BODIES[name]
    assert refused(service.ask(body)) == (400, *expected)
    assert engine.jobs == []
    assert service.serving.admission.inside == 0


@pytest.mark.parametrize(
    "body",
    [
        also('"model":"micro"'),
        saying(r'[{"role":"user","content":"\ud83d\ude00 \u0000"}]'),
        saying('[{"role":"user","content":""}]'),
        saying('[{"role":"system","content":"a"}]'),
        saying(json.dumps(ASK["messages"] * 1000)),
        saying(json.dumps([user("word " * 100_000)])),
        also('"stop":["never","comes","to","pass"]'),
        b"\n" + json.dumps(ASK, indent=4).encode() + b"\n",
    ],
)
def test_odd_and_taken(service: Running, body: bytes) -> None:
    """A name that comes twice counts as it comes last; how long a text may be, the model says."""
    assert service.ask(body).status_code == 200


def test_the_last_of_two_names_counts(service: Running) -> None:
    assert refused(service.ask(also('"model":"other"'))) == (404, "model", "model_not_found")


@pytest.mark.parametrize("secret", ["correct horse battery", "<script>alert(1)</script>"])
@pytest.mark.parametrize(
    "body",
    [
        '[{"role":"SECRET","content":"a"}]',
        '[{"role":"user","content":[{"type":"SECRET"}]}]',
        '[{"role":"user","content":[{"type":"image_url","image_url":{"url":"SECRET"}}]}]',
        '[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,","detail":"SECRET"}}]}]',
        '["SECRET"]',
        '"SECRET"',
    ],
)
def test_what_was_said_is_not_said_back(service: Running, body: str, secret: str) -> None:
    answer = service.ask(saying(body.replace("SECRET", secret)))
    assert refused(answer)[0] == 400
    assert secret not in answer.text


@contextlib.contextmanager
def listening() -> Iterator[tuple[str, list[bytes]]]:
    """A port on loopback, and what came to it."""
    came: list[bytes] = []

    def accept(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(5)
                    came.append(connection.recv(65536))
                    connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        yield "127.0.0.1:{}".format(*listener.getsockname()[1:]), came
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def test_nothing_is_fetched(service: Running, engine: ScriptedEngine) -> None:
    with listening() as (place, came):
        for url in (
            f"http://{place}/a.png",
            f"https://{place}/a.png",
            f"HTTP://{place}/a.png",
            f"//{place}/a.png",
            f"ftp://{place}/a.png",
            f"blob:http://{place}/1",
            f"data:image/png;base64,http://{place}/a.png",
            f"data:image/svg+xml;base64,http://{place}/a.png",
            f"data:text/html,<img src=http://{place}/a.png>",
            "file:///etc/passwd",
            "/etc/passwd",
        ):
            answer = service.ask(messages=[user({"type": "image_url", "image_url": {"url": url}}, "?")])
            status, param, code = refused(answer)
            assert (status, param) == (400, f"{PART}.image_url.url")
            assert code in ("image_url_unsupported", "image_not_base64")
        svg = f"<svg xmlns='http://www.w3.org/2000/svg'><image href='http://{place}/a.png'/></svg>".encode()
        assert refused(service.ask(messages=[user(part(svg), "?")]))[2] == "image_unreadable"
        xmp = picture(kind="JPEG", xmp=f"<x:xmpmeta><a href='http://{place}/a'/></x:xmpmeta>".encode())
        assert service.ask(messages=[user(part(xmp), f"http://{place}/a.png")]).status_code == 200
        assert came == []
        assert httpx.get(f"http://{place}/control").status_code == 200, "the control: who fetches is heard"
        assert came[0].startswith(b"GET /control ")
