"""What is taken, and that everything else is refused with the path of the fault."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.vision.contract import ChatRequest, parse
from service.vision.errors import ApiError
from tests.service.vision.running import part, user

ASK: dict[str, Any] = {"model": "micro", "messages": [{"role": "user", "content": "hello"}]}


def parsed(**changes: Any) -> ChatRequest:
    return parse(json.dumps({**ASK, **changes}).encode())


def refusal(**changes: Any) -> tuple[str | None, str]:
    with pytest.raises(ApiError) as refused:
        parsed(**changes)
    assert refused.value.status == 400
    return refused.value.param, refused.value.code


@pytest.mark.parametrize(
    "changes",
    [
        {"max_completion_tokens": 5, "temperature": 0, "top_p": 1, "stop": ["a"], "seed": -1, "n": 2, "user": "u"},
        {"max_tokens": 5, "temperature": 0.5, "top_k": -1, "repetition_penalty": 1.1, "stop": "a"},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"stream": None, "stop": None, "temperature": None, "max_tokens": None, "n": None, "seed": None},
        {"chat_template_kwargs": {"enable_thinking": False}, "thinking": {"type": "disabled"}},
        {"messages": [{"role": "system", "content": "s"}, user("a", part(detail="low"), "b")]},
        {"messages": [{"role": "developer", "content": [{"type": "text", "text": "s"}]}, user("a")]},
        {"messages": [user("a"), {"role": "assistant", "content": "b", "reasoning_content": "c"}, user("d")]},
        {"tools": [], "tool_choice": "none", "logprobs": False, "presence_penalty": 0.0, "frequency_penalty": None},
        {"response_format": {"type": "text"}, "store": False, "parallel_tool_calls": True},
    ],
)
def test_taken(changes: dict[str, Any]) -> None:
    parsed(**changes)


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"model": 5}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": "hello"}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": "a", "name": "x"}]}, "messages[0].name"),
        ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0]"),
        ({"messages": [{"content": "a"}]}, "messages[0]"),
        ({"messages": [user({"type": "video_url"})]}, "messages[0].content[0]"),
        ({"messages": [user("a", {"type": "image_url", "image_url": "x"})]}, "messages[0].content[1].image_url"),
        ({"messages": [user({"type": "image_url", "image_url": {}})]}, "messages[0].content[0].image_url.url"),
        ({"messages": [user(part(detail="huge"))]}, "messages[0].content[0].image_url.detail"),
        ({"messages": [{"role": "system", "content": [part()]}]}, "messages[0].content[0].type"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"max_tokens": 1.5}, "max_tokens"),
        ({"max_completion_tokens": True}, "max_completion_tokens"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"top_k": -2}, "top_k"),
        ({"repetition_penalty": 0}, "repetition_penalty"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"stop": ""}, "stop[0]"),
        ({"stop": [5]}, "stop[0]"),
        ({"seed": 2**63}, "seed"),
        ({"n": 0}, "n"),
        ({"n": 5}, "n"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"x": 1}}, "stream_options.x"),
        ({"thinking": {"type": "maybe"}}, "thinking.type"),
        ({"chat_template_kwargs": {"tools": []}}, "chat_template_kwargs.tools"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"presence_penalty": False}, "presence_penalty"),
        ({"anything": 1}, "anything"),
    ],
)
def test_refused_with_the_path_of_the_fault(changes: dict[str, Any], param: str) -> None:
    assert refusal(**changes)[0] == param


def test_codes() -> None:
    assert refusal(tools=[1])[1] == "unsupported_parameter"
    assert refusal(n=9)[1] == "invalid_value"
    assert refusal(messages=[{"role": "user"}])[1] == "missing_parameter"


def test_a_million_parts_are_refused_before_they_are_made() -> None:
    """Control: as many as may come are taken."""
    few, many = (user(*[""] * count) for count in (40_000, 60_000))
    assert len(parsed(messages=[few]).messages[0].content) == 40_000
    assert refusal(messages=[many]) == ("messages", "invalid_value")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"nul"])
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        parse(body)
    assert refused.value.code == "invalid_json"


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
)


@given(name=st.sampled_from([*ChatRequest.model_fields, "tools", "logit_bias"]), value=json_values)
def test_any_value_anywhere_is_taken_or_refused(name: str, value: Any) -> None:
    try:
        parse(json.dumps({**ASK, name: value}).encode())
    except ApiError as refused:
        status, message = refused.status, str(refused)
        assert (status, len(message) < 500) == (400, True)


@given(json_values)
def test_any_body_is_taken_or_refused(value: Any) -> None:
    with pytest.raises(ApiError):
        parse(json.dumps(value).encode())
