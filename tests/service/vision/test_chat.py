"""POST /v1/chat/completions over its socket, as Nginx sees it."""

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.vision.conversation import Picture
from service.vision.engine.protocol import JobFailed, JobRefused
from tests.service.vision.running import Running, connect, part, picture, question, user
from tests.service.vision.scripted import ScriptedEngine


def choice(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 200, response.text
    first: dict[str, Any] = response.json()["choices"][0]
    return first


def error(response: httpx.Response) -> tuple[int, str | None, str]:
    body = response.json()
    assert set(body) == {"error"}
    assert set(body["error"]) == {"message", "type", "param", "code"}
    assert response.headers["content-type"] == "application/json"
    return response.status_code, body["error"]["param"], body["error"]["code"]


def events(response: httpx.Response) -> list[Any]:
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    assert response.headers["x-accel-buffering"] == "no"
    data = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line.startswith("data: ")]
    return [json.loads(one) if one != "[DONE]" else one for one in data]


def test_a_picture_and_a_question(service: Running, engine: ScriptedEngine) -> None:
    response = service.ask(max_tokens=9, temperature=0, seed=3)
    body = response.json()
    assert set(body) == {"id", "object", "created", "model", "choices", "usage"}
    assert (body["object"], body["model"]) == ("chat.completion", "micro")
    assert body["choices"] == [
        {"index": 0, "message": {"role": "assistant", "content": "It is red."}, "finish_reason": "stop"}
    ]
    assert body["usage"] == {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    (job,) = engine.jobs
    assert [type(one) for one in job.turns[0].parts] == [Picture, str]
    assert job.pictures[0].size == (16, 16)
    assert (job.sampling.max_new_tokens, job.sampling.temperature, job.sampling.seed, job.thinking) == (9, 0, 3, None)


def test_the_alias_answers_by_the_real_name(service: Running) -> None:
    assert service.ask(model="glm-4v").json()["model"] == "micro"
    assert error(service.ask(model="gpt-4o")) == (404, "model", "model_not_found")


def test_thinking_is_told_apart(service: Running, engine: ScriptedEngine) -> None:
    engine.script = ["<thi", "nk>It looks", " red.</think>\n", "<|begin_of_box|>red<|end_of_box|>"]
    message = choice(service.ask(chat_template_kwargs={"enable_thinking": True}))["message"]
    assert (message["reasoning_content"], message["content"]) == ("It looks red.", "red")
    assert engine.jobs[0].thinking is True
    assert choice(service.ask(thinking={"type": "disabled"}))["message"]["content"] == "red"
    assert engine.jobs[1].thinking is False
    engine.script = ["<think>red"]
    assert choice(service.ask())["message"] == {"role": "assistant", "content": "red"}


def test_a_stop_string_ends_the_answer_and_the_work(service: Running, engine: ScriptedEngine) -> None:
    engine.script = ["one. t", "wo", ". three", " four"]
    answer = choice(service.ask(stop=["wo."]))
    assert (answer["message"]["content"], answer["finish_reason"]) == ("one. t", "stop")
    assert engine.generations[0].cancelled
    assert engine.generations[0].said == 3


def test_words_are_told_together_that_nobody_waits_for(service: Running, engine: ScriptedEngine) -> None:
    for changes in ({"stream": True}, {"stop": ["."]}, {"stream": True, "stop": ["."]}, {}):
        service.ask(**changes)
    assert [job.together for job in engine.jobs] == [1, 8, 1, 32]


def test_the_length_is_told(service: Running, engine: ScriptedEngine) -> None:
    engine.reason = "length"
    assert choice(service.ask())["finish_reason"] == "length"


def test_several_choices(service: Running, engine: ScriptedEngine) -> None:
    body = service.ask(n=3, seed=5).json()
    assert [one["index"] for one in body["choices"]] == [0, 1, 2]
    assert [job.sampling.seed for job in engine.jobs] == [5, 6, 7]
    assert body["usage"] == {"prompt_tokens": 7, "completion_tokens": 9, "total_tokens": 16}


def test_turns_reach_the_engine_in_their_order(service: Running, engine: ScriptedEngine) -> None:
    messages = [
        {"role": "developer", "content": "Be brief."},
        user("a", part(picture("blue")), "b", part(picture("red"), detail="low")),
        {"role": "assistant", "content": "c", "reasoning_content": "d"},
        user("e"),
    ]
    choice(service.ask(messages=messages))
    turns = engine.jobs[0].turns
    assert [turn.role for turn in turns] == ["system", "user", "assistant", "user"]
    assert turns[2].reasoning == "d"
    first, second = turns[1].pictures
    assert (tuple(first.pixels[0, 0]), tuple(second.pixels[0, 0])) == ((0, 0, 255), (255, 0, 0))
    assert (first.size, second.size) == ((16, 16), (8, 8))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tools": [{}]}, (400, "tools", "unsupported_parameter")),
        ({"max_tokens": 65}, (400, "max_tokens", "invalid_value")),
        ({"max_tokens": 5, "max_completion_tokens": 6}, (400, "max_tokens", "invalid_value")),
        ({"stream_options": {"include_usage": True}}, (400, "stream_options", "invalid_value")),
        ({"messages": [user("a"), {"role": "assistant", "content": "b"}]}, (400, "messages", "invalid_value")),
        ({"messages": [user(*[part()] * 9)]}, (400, "messages", "too_many_images")),
        (
            {"messages": [user("a", part(), part(b"no picture"))]},
            (400, "messages[0].content[2].image_url.url", "image_unreadable"),
        ),
        (
            {"thinking": {"type": "enabled"}, "chat_template_kwargs": {"enable_thinking": False}},
            (400, "thinking", "invalid_value"),
        ),
    ],
)
def test_refused_before_the_engine_hears_of_it(
    service: Running, engine: ScriptedEngine, changes: dict[str, Any], expected: tuple[int, str, str]
) -> None:
    assert error(service.ask(**changes)) == expected
    assert engine.jobs == []
    assert service.serving.admission.inside == 0


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"thinking": {"type": "enabled"}}, "thinking"),
        ({"chat_template_kwargs": {"enable_thinking": False}}, "chat_template_kwargs.enable_thinking"),
    ],
)
def test_a_switch_that_the_model_has_not_is_refused_by_the_name_that_the_client_gave(
    service: Running, engine: ScriptedEngine, changes: dict[str, Any], param: str
) -> None:
    engine.refusal = JobRefused("no switch", "unsupported_parameter", "thinking")
    assert error(service.ask(**changes)) == (400, param, "unsupported_parameter")


def test_the_engine_s_refusals_and_failures(service: Running, engine: ScriptedEngine) -> None:
    engine.refusal = JobRefused("too long", "context_length_exceeded", "messages")
    assert error(service.ask()) == (400, "messages", "context_length_exceeded")
    engine.refusal, engine.script = None, ["a", JobFailed("no memory", "out_of_memory", again=False)]
    failed = service.ask()
    assert error(failed) == (500, None, "out_of_memory")
    assert failed.headers["x-should-retry"] == "false"
    engine.script = [JobFailed("stopping", "stopping", again=True)]
    failed = service.ask()
    assert error(failed) == (503, None, "stopping")
    assert failed.headers["retry-after"] == "5"
    engine.script = ["fine"]
    assert choice(service.ask())["message"]["content"] == "fine"


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1/chat/completions", (405, None, "method_not_allowed")),
        ("POST", "/v1/models", (405, None, "method_not_allowed")),
        ("GET", "/nothing", (404, None, "not_found")),
        ("GET", "/v1/models/", (404, "model", "model_not_found")),
        ("GET", "/docs", (404, None, "not_found")),
        ("GET", "/v1/models/gpt-4o", (404, "model", "model_not_found")),
        ("GET", "/v1/models/zai-org%2FGLM-4.6V-Flash", (404, "model", "model_not_found")),
    ],
)
def test_the_framework_s_own_answers_have_the_same_shape(
    service: Running, method: str, path: str, expected: tuple[int, str | None, str]
) -> None:
    assert error(service.client.request(method, path)) == expected


def test_who_has_no_name_does_not_enter(service: Running, engine: ScriptedEngine) -> None:
    with connect(service.configuration.socket, {}, timeout=5) as stranger:
        assert error(stranger.post("/v1/chat/completions", json=question())) == (401, None, "no_identity")
        assert error(stranger.get("/v1/models")) == (401, None, "no_identity")
    assert engine.jobs == []


def test_too_long_a_body(tmp_path: Path) -> None:
    running = Running(tmp_path, ScriptedEngine(), max_body_bytes=10_000).start()
    try:
        assert error(running.ask(b" " * 10_001)) == (413, None, "request_too_large")
        assert running.serving.admission.inside == 0
        assert running.ask().status_code == 200
    finally:
        running.stop()


def test_too_slow_a_body(tmp_path: Path) -> None:
    running = Running(tmp_path, ScriptedEngine(), body_seconds=0.2).start()

    def dribble() -> Any:
        for _ in range(4):
            yield b" "
            time.sleep(0.1)

    try:
        assert error(running.client.post("/v1/chat/completions", content=dribble())) == (408, None, "request_timeout")
    finally:
        running.stop()


def test_streamed(service: Running) -> None:
    *chunks, usage, done = events(service.ask(stream=True, stream_options={"include_usage": True}))
    assert done == "[DONE]"
    assert chunks[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks) == "It is red."
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks][-2:] == [None, "stop"]
    assert len({chunk["id"] for chunk in chunks}) == 1
    assert {chunk["usage"] for chunk in chunks} == {None}
    assert (usage["choices"], usage["usage"]["total_tokens"]) == ([], 10)


def test_streamed_thinking_and_several_choices(service: Running, engine: ScriptedEngine) -> None:
    engine.script = ["<think>hm", "</think>", "red"]
    deltas = [chunk["choices"][0] for chunk in events(service.ask(stream=True, n=2))[:-1]]
    for index in (0, 1):
        own = [one["delta"] for one in deltas if one["index"] == index]
        assert "".join(delta.get("reasoning_content", "") for delta in own) == "hm"
        assert "".join(delta.get("content", "") for delta in own) == "red"


def test_a_failure_inside_a_stream(service: Running, engine: ScriptedEngine) -> None:
    engine.script = ["a", JobFailed("the engine failed", "engine_failed", again=False)]
    found = events(service.ask(stream=True))
    assert found[-1]["error"]["code"] == "engine_failed"
    assert "[DONE]" not in found
    engine.refusal = JobRefused("too long", "context_length_exceeded", "messages")
    assert error(service.ask(stream=True)) == (400, "messages", "context_length_exceeded")


def test_a_silent_stream_is_kept_alive(
    service: Running, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.vision.stream._SILENCE", 0.05)
    engine.script = [1.0, "late"]
    response = service.ask(stream=True)
    assert ": still here\n\n" in response.text
    assert events(response)[-1] == "[DONE]"
