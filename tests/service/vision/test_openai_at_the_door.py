"""OpenAI's own client, unchanged, as users have it: over TLS, through the real door, let in by the real gate."""

import asyncio
import inspect
import socket
import ssl
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import openai
import pytest

from service.gate.keys import new_key
from service.vision.engine.protocol import JobFailed
from tests.service.vision.running import Running, question
from tests.service.vision.scripted import ScriptedEngine
from tests.service.vision.served import CAN_BE_SERVED, KEY, NAME, Served, served

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not CAN_BE_SERVED, reason="needs nginx and root; make test installs nginx"),
]

ASK: dict[str, Any] = {"model": "glm-4v", "messages": question()["messages"]}
SILENCE = 1
"""Seconds that the door bears."""
Got = Callable[[Any], Any]


@pytest.fixture(scope="module")
def at_the_door() -> Iterator[Served]:
    with served(ScriptedEngine(), SILENCE) as found:
        yield found


@pytest.fixture(scope="module")
def started(at_the_door: Served) -> Running:
    """In place of the one without a door."""
    return at_the_door.running


@pytest.fixture(autouse=True)
def known_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a DNS would do for the clients."""
    resolve = socket.getaddrinfo

    def told(host: Any, *rest: Any, **more: Any) -> Any:
        return resolve("127.0.0.1" if host in (NAME, NAME.encode()) else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", told)


@pytest.fixture(params=[openai.OpenAI, openai.AsyncOpenAI])
def official(request: pytest.FixtureRequest, at_the_door: Served) -> Iterator[tuple[Any, Got]]:
    """A client with a key, and what waits for its answers and takes all of a stream."""
    trusting = ssl.create_default_context(cafile=str(at_the_door.ca))
    http = httpx2.Client if request.param is openai.OpenAI else httpx2.AsyncClient
    options = {"base_url": f"{at_the_door.address}/v1", "http_client": http(verify=trusting)}
    with asyncio.Runner() as runner:

        async def whole(given: Any) -> Any:
            found = await given
            return [one async for one in found] if isinstance(found, openai.AsyncStream) else found

        def got(given: Any) -> Any:
            if inspect.isawaitable(given):
                return runner.run(whole(given))
            return list(given) if isinstance(given, openai.Stream) else given

        client = request.param(api_key=KEY, **options)
        yield client, got
        got(client.close())


def test_everything_that_a_client_does(official: tuple[Any, Got], service: Running, engine: ScriptedEngine) -> None:
    client, got = official
    assert [model.id for model in got(client.models.list()).data] == ["micro", "glm-4v"]
    for name in ("micro", "glm-4v"):
        assert got(client.models.retrieve(name)).id == name
    for name in ("gpt-4o", "zai-org/GLM-4.6V-Flash", "llava:13b"):
        with pytest.raises(openai.NotFoundError) as unknown:
            got(client.models.retrieve(name))
        assert (unknown.value.code, unknown.value.param) == ("model_not_found", "model")
        assert set(unknown.value.response.json()["error"]) == {"message", "type", "param", "code"}

    answer = got(client.chat.completions.create(**ASK))
    assert (answer.choices[0].message.content, answer.model, answer.usage.total_tokens) == ("It is red.", "micro", 10)
    *chunks, last = got(client.chat.completions.create(**ASK, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "It is red."
    assert (last.choices, last.usage.total_tokens) == ([], 10)
    assert {line["principal"] for line in service.lines(8)} == {"demo"}

    with pytest.raises(openai.AuthenticationError, match="refused") as stranger:
        got(client.with_options(api_key=new_key("demo")).models.list())
    assert (stranger.value.code, stranger.value.type) == ("invalid_api_key", "authentication_error")
    with pytest.raises(openai.BadRequestError) as wrong:
        got(client.chat.completions.create(**ASK, temperature=9))
    assert (wrong.value.code, wrong.value.param) == ("invalid_value", "temperature")
    place = service.serving.admission.enter("somebody", 6)
    with pytest.raises(openai.RateLimitError) as full:
        got(client.with_options(max_retries=0).chat.completions.create(**ASK))
    place.leave()
    assert (full.value.code, int(full.value.response.headers["retry-after"]) > 0) == ("queue_full", True)
    engine.script = [JobFailed("no memory", "out_of_memory", again=False)]
    with pytest.raises(openai.InternalServerError):
        got(client.chat.completions.create(**ASK))
    assert [line["status"] for line in service.lines(11)[8:]] == [400, 429, 500], "what fails again is asked once"


def test_a_long_answer_is_asked_for_once_and_a_stream_is_what_helps(
    official: tuple[Any, Got], service: Running, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, got = official
    engine.script = ["It is", SILENCE + 1.0, " red."]
    with pytest.raises(openai.InternalServerError, match=f"silent for {SILENCE} seconds; ask for a stream") as late:
        got(client.chat.completions.create(**ASK))
    assert (late.value.status_code, late.value.code, late.value.type) == (504, "timeout", "server_error")
    assert late.value.response.headers["x-should-retry"] == "false"
    assert [line["status"] for line in service.lines(1)] == [499]
    assert [generation.cancelled for generation in engine.generations] == [True]
    monkeypatch.setattr("service.vision.stream._SILENCE", SILENCE / 4)
    chunks = got(client.chat.completions.create(**ASK, stream=True))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "It is red."
