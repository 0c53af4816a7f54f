"""Every way out of the service, and exactly one line that closes each; of a stream one that begins it as well."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from service.vision.engine.protocol import EngineBusy, JobFailed, JobRefused
from tests.service.vision.running import Running, part, picture, question, until, user
from tests.service.vision.scripted import ScriptedEngine

Way = Callable[[Running, ScriptedEngine], object]
LONG: list[str | float | JobFailed] = ["word", *(0.02, "more") * 200]


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Three places, short patience, small requests."""
    limits: dict[str, Any] = {"queue": 1, "body_seconds": 0.3, "send_seconds": 0.3, "max_body_bytes": 4000}
    running = Running(tmp_path_factory.mktemp("narrow"), ScriptedEngine(), **limits).start()
    yield running
    running.stop()


def said(*script: Any, reason: str = "stop", **changes: Any) -> Way:
    """Ask an engine that says this."""

    def way(service: Running, engine: ScriptedEngine) -> None:
        engine.script, engine.reason = script, reason
        service.ask(**changes)

    return way


def refused(refusal: JobRefused | JobFailed | EngineBusy) -> Way:
    def way(service: Running, engine: ScriptedEngine) -> None:
        engine.refusal = refusal
        service.ask()

    return way


def left(when: str, **changes: Any) -> Way:
    """Leave while sending, while the picture is decoded, or while the engine works."""

    def way(service: Running, engine: ScriptedEngine) -> None:
        engine.script = LONG
        begun: list[bool] = []

        def fit(*_: object, coarse: bool) -> tuple[int, int]:
            begun.append(coarse)
            time.sleep(0.2)
            return 16, 16

        if when == "decoding":
            engine.fit = fit  # type: ignore[method-assign, assignment]
        body = json.dumps({**question(), **changes}).encode()
        connection = service.send(body, len(body) + (1 if when == "sending" else 0))
        until(lambda: bool(begun or when == "sending" or engine.generations), 5)
        connection.close()

    return way


def unread(service: Running, engine: ScriptedEngine) -> None:
    engine.script = ["x" * 100_000] * 100
    connection = service.send(json.dumps({**question(), "stream": True}).encode())
    until(lambda: service.serving.admission.inside > 0)
    until(lambda: service.serving.admission.inside == 0)
    connection.close()


def too_slow(service: Running, _: ScriptedEngine) -> None:
    with service.send(b"{", 100) as connection:
        connection.recv(1000)


def in_state(state: str) -> Way:
    def way(service: Running, engine: ScriptedEngine) -> None:
        engine.state = state
        service.ask()

    return way


def closed(service: Running, _: ScriptedEngine) -> None:
    service.serving.admission.closed = True
    service.ask()


def full(service: Running, _: ScriptedEngine) -> None:
    others = service.serving.admission.enter("others", service.serving.admission.most)
    service.ask()
    others.leave()


def broken(service: Running, engine: ScriptedEngine) -> None:
    engine.jobs = None  # type: ignore[assignment]
    service.ask()


def nobody(service: Running, _: ScriptedEngine) -> None:
    with service.connect() as client:
        del client.headers["x-auth-principal"]
        client.post("/v1/chat/completions", json=question())


def got(method: str, path: str) -> Way:
    return lambda service, _: service.client.request(method, path)


def asked(**changes: Any) -> Way:
    return lambda service, _: service.ask(**changes)


out_of_memory = JobFailed("no memory", "out_of_memory", again=False)
WAYS: dict[str, tuple[Way, int, str | None]] = {
    "answered": (said("It", " is"), 200, None),
    "streamed": (said("It", " is", stream=True), 200, None),
    "two choices": (said("It", n=2), 200, None),
    "streamed to its length": (
        said("It", reason="length", stream=True, stream_options={"include_usage": True}),
        200,
        None,
    ),
    "stopped by a stop string": (said("It", " is red", stop=["is"]), 200, None),
    "an empty answer": (said(), 200, None),
    "the models": (got("GET", "/v1/models"), 200, None),
    "the description": (got("GET", "/openapi.json"), 200, None),
    "no JSON": (lambda service, _: service.ask(b"{"), 400, "invalid_json"),
    "no object": (lambda service, _: service.ask(b"[]"), 400, "invalid_value"),
    "an unknown field": (asked(tools=[{}]), 400, "unsupported_parameter"),
    "another model": (asked(model="gpt-4o"), 404, "model_not_found"),
    "a broken picture": (asked(messages=[user(part(b"none"))]), 400, "image_unreadable"),
    "a bomb": (
        asked(messages=[user(part(picture(size=(6000, 6000), kind="PNG")[:1500]))]),
        400,
        "image_too_many_pixels",
    ),
    "too many pictures": (asked(messages=[user(*[part(b"x")] * 9)]), 400, "too_many_images"),
    "too long a prompt": (
        refused(JobRefused("long", "context_length_exceeded", "messages")),
        400,
        "context_length_exceeded",
    ),
    "too much waits already": (refused(EngineBusy("many tokens wait")), 429, "queue_full"),
    "the engine takes none": (refused(JobFailed("stopping", "stopping", again=True)), 503, "stopping"),
    "failed before the first token": (said(out_of_memory), 500, "out_of_memory"),
    "failed in a stream": (said("It", out_of_memory, stream=True), 200, "out_of_memory"),
    "failed in one choice of two": (said("It", out_of_memory, n=2), 500, "out_of_memory"),
    "our own fault": (broken, 500, "internal_error"),
    "our own fault in an answer": (said(None), 500, "internal_error"),
    "our own fault in a stream": (said("It", None, stream=True), 200, "internal_error"),
    "no identity": (nobody, 401, "no_identity"),
    "no such place": (got("GET", "/nothing"), 404, "not_found"),
    "no such model": (got("GET", "/v1/models/other"), 404, "model_not_found"),
    "a wrong method": (got("GET", "/v1/chat/completions"), 405, "method_not_allowed"),
    "a method that is none": (got("BREW", "/v1/models"), 405, "method_not_allowed"),
    "a wrong method of the page": (got("POST", "/"), 405, "method_not_allowed"),
    "a wrong method of its files": (got("PUT", "/page/style.css"), 405, "method_not_allowed"),
    "a wrong method of a probe": (got("DELETE", "/healthz"), 405, "method_not_allowed"),
    "a wrong method of the figures": (got("OPTIONS", "/metrics"), 405, "method_not_allowed"),
    "too large": (lambda service, _: service.ask(b" " * 4001), 413, "request_too_large"),
    "too slow": (too_slow, 408, "request_timeout"),
    "full": (full, 429, "queue_full"),
    "more answers than places": (asked(n=4), 400, "invalid_value"),
    "loading": (in_state("loading"), 503, "engine_loading"),
    "engine dead": (in_state("failed"), 503, "engine_failed"),
    "stopping": (closed, 503, "stopping"),
    "left while sending": (left("sending"), 499, "cancelled"),
    "left while decoding": (left("decoding"), 499, "cancelled"),
    "left while answered": (left("working"), 499, "cancelled"),
    "left while decoding for a stream": (left("decoding", stream=True), 499, "cancelled"),
    "left while streamed": (left("working", stream=True), 499, "cancelled"),
    "never read": (unread, 499, "cancelled"),
}


BEGUN = {
    "streamed",
    "streamed to its length",
    "failed in a stream",
    "our own fault in a stream",
    "left while streamed",
    "never read",
}


@pytest.mark.parametrize("name", WAYS)
def test_it_leaves_one_line(narrow: Running, name: str) -> None:
    engine = narrow.engine
    assert isinstance(engine, ScriptedEngine)
    vars(engine).clear()
    vars(engine).update(vars(ScriptedEngine()))
    narrow.forget()
    way, status, reason = WAYS[name]
    try:
        way(narrow, engine)
        (line,) = narrow.lines(1)
        assert (line["event"], line["status"], line["reason"]) == ("request", status, reason)
        assert line["seconds"]["total"] >= 0
        begun = [{"request": line["request"], "event": "begun"}] if name in BEGUN else []
        told = [*begun, {"request": line["request"], "event": "request"}]
        assert [{key: one[key] for key in ("request", "event")} for one in narrow.every()] == told
    finally:
        narrow.serving.admission.closed = False
    narrow.client.get("/v1/models")
    assert len(narrow.lines(2)) == 2, "and no second one after it"
    assert narrow.serving.admission.inside == 0
