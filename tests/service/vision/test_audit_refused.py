"""What the line of a request that got no answer tells of it: as much as was known when it ended."""

from __future__ import annotations

import hashlib
import json
import threading
from typing import Any

import pytest

from tests.service.vision.running import Running, part, picture, question, user
from tests.service.vision.scripted import ScriptedEngine
from tests.service.vision.test_metrics import figures

TEXT = "What is on these?"


def noted(file: bytes, size: tuple[int, int] | None) -> dict[str, Any]:
    width, height = size or (None, None)
    return {"sha256": hashlib.sha256(file).hexdigest(), "width": width, "height": height}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "gpt-4o"}, "model_not_found"),
        ({"messages": [user(*[part()] * 9, TEXT)]}, "too_many_images"),
        ({"max_tokens": 10_000}, "invalid_value"),
    ],
)
def test_a_request_refused_before_its_pictures_are_looked_at_has_its_text(
    service: Running, changes: dict[str, Any], reason: str
) -> None:
    asked = {"messages": [user(part(), TEXT)], "user": "customer-7"}
    service.ask(**asked)
    service.ask(**{**asked, **changes})
    answered, refused = service.lines(2)
    assert (refused["reason"], refused["pictures"]) == (reason, [])
    for name in ("text", "text_length", "user"):
        assert refused[name] == answered[name] is not None


def test_a_refused_picture_is_noted_as_the_others_are(service: Running) -> None:
    first, second, third = picture("red", (30, 20)), picture("blue", (8, 9)), b"no picture"
    before = figures(service)
    refused = service.ask(messages=[user(*map(part, (first, second, third)), TEXT)])
    assert refused.json()["error"]["code"] == "image_unreadable"
    (line,) = service.lines(1)
    assert line["text_length"] == len(TEXT)
    assert line["pictures"][-1] == noted(third, None)
    assert [one["sha256"] for one in line["pictures"]] == [
        noted(file, None)["sha256"] for file in (first, second, third)
    ]
    after = figures(service)
    assert after["pictures_total"] == before["pictures_total"], "it tells of those that a request was answered with"
    assert after["picture_decode_seconds_count"] == before["picture_decode_seconds_count"]


def test_a_client_that_leaves_while_its_pictures_are_decoded(
    service: Running, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first one is decoded, of the second one the header has been read; then the client leaves."""
    second, go_on = threading.Event(), threading.Event()

    def fit(width: int, height: int, *, coarse: bool) -> tuple[int, int]:
        if width == 8:
            second.set()
            assert go_on.wait(20)
        return 16, 16

    monkeypatch.setattr(engine, "fit", fit)
    files = picture("red", (30, 20)), picture("blue", (8, 9))
    connection = service.send(json.dumps({**question(), "messages": [user(*map(part, files), TEXT)]}).encode())
    assert second.wait(10)
    connection.close()
    (line,) = service.lines(1)
    go_on.set()
    assert (line["status"], line["reason"], line["text_length"]) == (499, "cancelled", len(TEXT))
    assert line["pictures"][-1] == noted(files[1], None)
    assert len(line["pictures"]) == 2
