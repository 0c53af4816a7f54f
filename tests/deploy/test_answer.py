"""An answer from its chunks."""

from typing import Any

import pytest

from deploy.answer import Answer


def chunk(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"model": "micro", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}], "usage": None}


def test_put_together() -> None:
    answer = Answer()
    came = [
        answer.take(one)
        for one in (
            chunk({"role": "assistant", "content": ""}),
            chunk({"reasoning_content": "hm"}),
            chunk({"content": "It is "}),
            chunk({"content": "red."}),
            chunk({}, "stop"),
            {"model": "micro", "choices": [], "usage": {"total_tokens": 9}},
        )
    ]
    assert came == ["", "", "It is ", "red.", "", ""]
    assert answer == Answer("It is red.", "hm", "micro", "stop", {"total_tokens": 9})


@pytest.mark.parametrize(
    "other", [5, None, [], "text", {}, {"model": "m"}, {"model": "m", "choices": [{}]}, {"model": "m", "choices": [5]}]
)
def test_what_is_no_chunk_is_said_to_be_none(other: Any) -> None:
    with pytest.raises(ValueError, match="no chunk of an answer"):
        Answer().take(other)
