"""A body whose large pictures were taken out means what it meant."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.vision import attachments
from service.vision.attachments import Attachment, detach
from service.vision.contract import ChatRequest, parse
from service.vision.errors import ApiError
from tests.service.vision.running import user

LARGE = "A" * attachments._LARGE
PNG, WEBP = f"data:image/png;base64,{LARGE}", f"data:image/webp;base64,{LARGE}BB"


def part(url: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url}}


def asked(*parts: Any, **changes: Any) -> bytes:
    return json.dumps({"model": "micro", "messages": [user(*parts)], **changes}).encode()


def urls(request: ChatRequest) -> list[str]:
    """The pictures' URLs as they came."""
    seen = [part.image_url.url for part in request.messages[0].content if part.type == "image_url"]
    return [one + bytes(one.content).decode() if isinstance(one, Attachment) else one for one in seen]


def test_what_is_large_is_taken_out_and_nothing_else() -> None:
    body = asked("?", part(PNG), part("data:image/png;base64,AAAA"), part(WEBP))
    rest, found = detach(body)
    assert len(rest) < 1000
    assert sorted(len(one.content) for one in found.values()) == [len(LARGE), len(LARGE) + 2]
    request = parse(body)
    assert urls(request) == [PNG, "data:image/png;base64,AAAA", WEBP]
    kinds = [isinstance(part.image_url.url, Attachment) for part in request.messages[0].content[1:]]  # type: ignore[union-attr]
    assert kinds == [True, False, True]


def test_of_many_beginnings_only_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attachments, "_BEGINNINGS", 3)
    small = part("data:image/png;base64,AAAA")
    body = asked(small, small, part(PNG), part(WEBP))
    rest, found = detach(body)
    assert [str(one) for one in found.values()] == ["data:image/png;base64,"]
    assert WEBP.encode() in rest
    assert urls(parse(body))[2:] == [PNG, WEBP]


@pytest.mark.parametrize(
    "body",
    [
        asked(PNG),
        asked("?", part(PNG), user=PNG),
        asked("?", part(PNG)).replace(b'"type"', b'"type": "text", "type"', 1),
        asked("?", part(PNG)).replace(b'"url"', b'"url": "%s", "url"' % WEBP.encode()),
        asked("?", part(PNG)).replace(b"AAA", b"\\u0041", 1),
        asked("?", part(PNG)).replace(b"data:image/", b"data:image\\/"),
        asked(f'\\"{PNG}', part(PNG)),
        asked("?", part(PNG)).replace(b'"data:', b'\\"data:'),
        asked("?", part(PNG), max_tokens=PNG),
        asked("?", part(PNG), unknown=1),
        asked("?", part(PNG))[:-1],
        asked("?", part(PNG))[: -len(LARGE) // 2],
        b'"' + PNG.encode() + b'"',
    ],
)
def test_where_it_is_no_picture_all_is_as_if_nothing_had_been_taken_out(
    body: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def outcome() -> Any:
        try:
            request = parse(body)
        except ApiError as error:
            return error.status, error.code, error.param, str(error)
        return urls(request), request.model_dump(exclude={"messages"}), len(request.messages[0].content)

    found = outcome()
    monkeypatch.setattr(attachments, "_LARGE", 1 << 40)
    assert found == outcome()


@given(st.lists(st.sampled_from(["?", '"', "\\", PNG, part(PNG), part(WEBP), part(f"{PNG}\\")]), min_size=1), st.data())
def test_whatever_stands_around(parts: list[Any], data: st.DataObject) -> None:
    body = asked(*parts)
    at = data.draw(st.integers(0, len(body)))
    if at < len(body) and data.draw(st.booleans()):
        body = body[:at] + data.draw(st.sampled_from([b'"', b"\\", b"", b"data:image/png;base64,"])) + body[at + 1 :]
    rest, found = detach(body)
    for name, one in found.items():
        rest = rest.replace(name.encode(), one.encode() + bytes(one.content))
    assert bytes(rest) == body
    plain: Any
    try:
        plain = ChatRequest.model_validate_json(body)
    except ValueError:
        with pytest.raises(ApiError):
            parse(body)
    else:
        assert urls(parse(body)) == urls(plain)
        texts = [part.text for part in parse(body).messages[0].content if part.type == "text"]
        assert texts == [part.text for part in plain.messages[0].content if part.type == "text"]
