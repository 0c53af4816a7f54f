"""OpenAI's own client, unchanged, over the socket."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import openai
import pytest

from service.vision.engine.protocol import JobFailed, JobRefused
from tests.service.vision.running import IDENTITY, Running, data_url, picture, question, until
from tests.service.vision.scripted import ScriptedEngine

MESSAGES: Any = question()["messages"]


def client(service: Running, **options: Any) -> openai.OpenAI:
    transport = httpx2.HTTPTransport(uds=str(service.configuration.socket), verify=False)  # Reads no authorities.
    http = httpx2.Client(transport=transport, headers=options.pop("headers", IDENTITY))
    return openai.OpenAI(**{"base_url": "http://vision/v1", "api_key": "csm_x", "http_client": http, **options})


@pytest.fixture
def official(service: Running) -> Iterator[openai.OpenAI]:
    with client(service) as made:
        yield made


def test_a_conversation(official: openai.OpenAI, engine: ScriptedEngine) -> None:
    engine.script = ["<think>hm</think>", "It is", " red."]
    answer = official.chat.completions.create(model="glm-4v", messages=MESSAGES, temperature=0)
    assert answer.choices[0].message.content == "It is red."
    assert answer.choices[0].message.model_extra == {"reasoning_content": "hm"}
    assert (answer.choices[0].finish_reason, answer.model, answer.object) == ("stop", "micro", "chat.completion")
    assert answer.usage
    assert answer.usage.total_tokens == 10
    said = answer.choices[0].message
    for again in (said, said.model_dump(), said.model_dump(exclude_none=True), said.to_dict()):
        more: Any = [*MESSAGES, again, {"role": "user", "content": "Sure?"}]
        stream = official.chat.completions.create(model="micro", messages=more, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "It is red."
        assert engine.jobs[-1].turns[1].reasoning == "hm"
    assert [model.id for model in official.models.list()] == ["micro", "glm-4v"]
    assert official.models.retrieve("glm-4v").owned_by == "casemate"


def test_the_models_tell_how_much_they_take(official: openai.OpenAI) -> None:
    limits = {
        "max_pictures": 8,
        "max_pixels": 1_300_000,
        "max_picture_pixels": 25_000_000,
        "max_picture_bytes": 10_000_000,
        "max_body_bytes": 20_000_000,
    }
    assert [model.model_extra for model in official.models.list()] == [{"limits": limits}] * 2
    assert official.models.retrieve("micro").model_extra == {"limits": limits}


def test_every_option_reaches_the_engine(official: openai.OpenAI, engine: ScriptedEngine, service: Running) -> None:
    url = {"url": data_url(picture("blue", kind="WEBP"), "webp"), "detail": "low"}
    messages: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "image_url", "image_url": url}, {"type": "text", "text": "?"}]},
    ]
    answer = official.chat.completions.create(
        model="micro",
        messages=messages,
        max_completion_tokens=9,
        temperature=0.5,
        top_p=0.9,
        seed=7,
        stop=["is"],
        n=2,
        user="customer-7",
        extra_body={"top_k": 5, "repetition_penalty": 1.1, "thinking": {"type": "disabled"}},
    )
    assert [one.message.content for one in answer.choices] == ["It ", "It "]
    sampling = engine.jobs[1].sampling
    assert (sampling.max_new_tokens, sampling.temperature, sampling.top_p, sampling.top_k) == (9, 0.5, 0.9, 5)
    assert (sampling.repetition_penalty, sampling.seed, engine.jobs[0].thinking) == (1.1, 8, False)
    assert engine.jobs[0].pictures[0].size == (8, 8)
    official.chat.completions.create(
        model="micro", messages=MESSAGES, extra_body={"chat_template_kwargs": {"enable_thinking": True}}
    )
    assert engine.jobs[-1].thinking is True
    assert [bool(line["user"]) for line in service.lines(2)] == [True, False]


def test_a_stream_with_its_usage(official: openai.OpenAI, engine: ScriptedEngine) -> None:
    engine.script = ["<think>hm", "</think>", "red"]
    stream = official.chat.completions.create(
        model="micro", messages=MESSAGES, stream=True, stream_options={"include_usage": True}
    )
    *chunks, last = list(stream)
    assert (last.choices, last.usage and last.usage.completion_tokens) == ([], 3)
    assert {chunk.usage for chunk in chunks} == {None}
    extra = [chunk.choices[0].delta.model_extra or {} for chunk in chunks]
    assert "".join(one.get("reasoning_content", "") for one in extra) == "hm"


def test_the_client_s_own_way_to_put_a_stream_together(official: openai.OpenAI) -> None:
    with official.chat.completions.stream(model="micro", messages=MESSAGES) as stream:
        kinds = {event.type for event in stream}
        whole = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == ("It is red.", "stop")


def test_raw_answers(official: openai.OpenAI, service: Running) -> None:
    raw = official.chat.completions.with_raw_response.create(
        model="micro", messages=MESSAGES, extra_headers={"x-request-id": "abcdef0123456789"}
    )
    assert raw.headers["x-request-id"] == "abcdef0123456789"
    assert (raw.parse().id, raw.parse()._request_id) == ("chatcmpl-abcdef0123456789", "abcdef0123456789")
    with official.chat.completions.with_streaming_response.create(
        model="micro", messages=MESSAGES, stream=True
    ) as streamed:
        assert streamed.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert list(streamed.iter_lines())[-2:] == ["data: [DONE]", ""]


def test_asynchronously_and_at_once(service: Running) -> None:
    async def ask() -> list[str | None]:
        transport = httpx2.AsyncHTTPTransport(uds=str(service.configuration.socket))
        http = httpx2.AsyncClient(transport=transport, headers=IDENTITY)
        async with openai.AsyncOpenAI(base_url="http://vision/v1", api_key="x", http_client=http) as official:

            async def whole() -> str | None:
                answer = await official.chat.completions.create(model="micro", messages=MESSAGES)
                return answer.choices[0].message.content

            async def streamed() -> str | None:
                stream = await official.chat.completions.create(model="micro", messages=MESSAGES, stream=True)
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            return list(await asyncio.gather(whole(), streamed(), whole(), streamed()))

    assert asyncio.run(ask()) == ["It is red."] * 4


@pytest.mark.long
def test_a_full_queue_is_come_back_to(official: openai.OpenAI, service: Running) -> None:
    place = service.serving.admission.enter("bob", 6)
    threading.Timer(0.5, place.leave).start()
    began = time.monotonic()
    answer = official.chat.completions.create(model="micro", messages=MESSAGES)
    assert answer.choices[0].message.content == "It is red."
    assert 1 <= time.monotonic() - began < 10, "the client waits as long as Retry-After says"
    assert [line["status"] for line in service.lines(2)] == [429, 200]


def test_what_fails_again_is_asked_once(official: openai.OpenAI, service: Running, engine: ScriptedEngine) -> None:
    engine.script = [JobFailed("no memory", "out_of_memory", again=False)]
    for expected in (openai.InternalServerError, openai.NotFoundError, openai.BadRequestError):
        with pytest.raises(expected):
            official.with_options(max_retries=3).chat.completions.create(
                model="other" if expected is openai.NotFoundError else "micro",
                messages=[] if expected is openai.BadRequestError else MESSAGES,
            )
    assert [line["status"] for line in service.lines(3)] == [500, 404, 400]


@pytest.mark.long
def test_an_answer_that_takes_too_long_is_given_up_asked_for_again_and_given_up(
    official: openai.OpenAI, service: Running, engine: ScriptedEngine
) -> None:
    engine.script = [3.0]
    with pytest.raises(openai.APITimeoutError):
        official.with_options(timeout=0.5, max_retries=1).chat.completions.create(model="micro", messages=MESSAGES)
    assert [line["status"] for line in service.lines(2)] == [499, 499]
    until(lambda: service.serving.admission.inside == 0, 5)


@pytest.mark.parametrize(
    ("refusal", "expected", "status", "code", "param"),
    [
        ({"logprobs": True}, openai.BadRequestError, 400, "unsupported_parameter", "logprobs"),
        ({"n": 9}, openai.BadRequestError, 400, "invalid_value", "n"),
        ({"model": "gpt-4o"}, openai.NotFoundError, 404, "model_not_found", "model"),
        (JobRefused("too long", "context_length_exceeded", "messages"), openai.BadRequestError, 400, None, "messages"),
        (JobFailed("no", "engine_failed", again=False), openai.InternalServerError, 500, "engine_failed", None),
        (JobFailed("no", "stopping", again=True), openai.InternalServerError, 503, "stopping", None),
    ],
)
def test_refusals_are_the_client_s_own_errors(
    service: Running,
    engine: ScriptedEngine,
    refusal: dict[str, Any] | JobRefused | JobFailed,
    expected: type[openai.APIStatusError],
    status: int,
    code: str | None,
    param: str | None,
) -> None:
    changes = refusal if isinstance(refusal, dict) else {}
    engine.refusal = None if isinstance(refusal, dict) else refusal
    for stream in (False, True):
        with client(service, max_retries=0) as official, pytest.raises(expected) as raised:
            official.chat.completions.create(**{"model": "micro", "messages": MESSAGES, "stream": stream, **changes})
        assert (raised.value.status_code, raised.value.param) == (status, param)
        assert raised.value.code == (code or "context_length_exceeded")
        assert raised.value.request_id


def test_who_has_no_name_and_who_finds_the_queue_full(service: Running) -> None:
    with client(service, headers={}) as official, pytest.raises(openai.AuthenticationError) as nobody:
        official.models.list()
    assert nobody.value.code == "no_identity"
    place = service.serving.admission.enter("bob", 6)
    with client(service, max_retries=0) as official, pytest.raises(openai.RateLimitError) as full:
        official.chat.completions.create(model="micro", messages=MESSAGES)
    place.leave()
    assert (full.value.code, full.value.type) == ("queue_full", "rate_limit_error")


def test_a_failure_in_the_middle_of_a_stream(official: openai.OpenAI, engine: ScriptedEngine) -> None:
    engine.script = ["It ", JobFailed("the engine failed", "engine_failed", again=False)]
    stream = official.chat.completions.create(model="micro", messages=MESSAGES, stream=True)
    assert [next(stream).choices[0].delta.content for _ in range(2)] == ["", "It "]
    with pytest.raises(openai.APIError, match="the engine failed") as raised:
        next(stream)
    assert raised.value.code == "engine_failed"


def test_a_stream_that_is_closed_early_is_stopped(
    official: openai.OpenAI, engine: ScriptedEngine, service: Running
) -> None:
    engine.script = ["It ", *(0.02, "is ") * 500]
    with official.chat.completions.create(model="micro", messages=MESSAGES, stream=True) as stream:
        next(iter(stream))
    until(lambda: service.serving.admission.inside == 0, 5)
    assert engine.generations[0].cancelled
    assert engine.generations[0].said < 100
