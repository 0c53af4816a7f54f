"""Pictures are let go with their request, however it ends: Python's collector may come minutes later, or not at all."""

import contextlib
import gc
import json
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from service.vision import reading
from service.vision.conversation import Picture
from service.vision.engine.protocol import EngineBusy, JobFailed, JobRefused
from service.vision.engine.separate import SeparateEngine
from service.vision.pictures import decode
from tests.service.vision.conftest import choices
from tests.service.vision.engine import asking
from tests.service.vision.engine.test_separate import LONG, with_engine
from tests.service.vision.running import Running, part, picture, question, until, user
from tests.service.vision.scripted import ScriptedEngine

REFUSALS: list[Callable[[], Exception]] = [
    lambda: JobRefused("messages: too many", "context_length_exceeded", "messages"),
    lambda: JobFailed("the engine died", "engine_failed", again=True),
    lambda: EngineBusy("too many wait"),
    lambda: ValueError("a fault"),
]


@pytest.fixture(autouse=True)
def uncollected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def gone(engine: ScriptedEngine) -> Callable[[], bool]:
    """Whether the picture of the only job that came is; the engine's own memory of it goes."""
    (seen,) = engine.jobs[0].pictures
    reference = weakref.ref(seen)
    engine.jobs.clear()
    engine.generations.clear()
    engine.refusal = None
    return lambda: reference() is None


def test_one_that_is_held_is_alive(service: Running, engine: ScriptedEngine) -> None:
    service.ask()
    kept = engine.jobs[0]
    assert not gone(engine)(), kept.principal


@pytest.mark.parametrize("stream", [False, True])
def test_of_who_is_answered(service: Running, engine: ScriptedEngine, stream: bool) -> None:
    assert service.ask(stream=stream).status_code == 200
    until(gone(engine), 5)


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("stream", [False, True])
def test_of_who_is_refused(service: Running, engine: ScriptedEngine, refusal: Callable[[], Any], stream: bool) -> None:
    engine.refusal = refusal()
    assert service.ask(stream=stream).status_code >= 400
    until(gone(engine), 5)


@pytest.mark.parametrize("stream", [False, True])
def test_of_whose_answer_fails(service: Running, engine: ScriptedEngine, stream: bool) -> None:
    engine.script = ("It", JobFailed("the engine died", "engine_failed", again=True))
    service.ask(stream=stream)
    engine.script = ()
    until(gone(engine), 5)


def test_of_who_has_a_broken_one_among_them(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[weakref.ref[Picture]] = []

    def remembered(*given: Any) -> Picture:
        made = decode(*given)
        decoded.append(weakref.ref(made))
        return made

    monkeypatch.setattr(reading, "decode", remembered)
    messages = [user(part(), part(), part(picture(size=(99, 99))[:-60]))]
    assert service.ask(messages=messages).status_code == 400
    assert len(decoded) == 2
    until(lambda: not any(one() for one in decoded), 5)


def test_of_who_leaves(service: Running, engine: ScriptedEngine) -> None:
    engine.script = (600.0, "It")
    with service.send(json.dumps(question()).encode()):
        until(lambda: bool(engine.generations), 5)
    service.lines(1)
    until(gone(engine), 5)


@pytest.mark.long
@pytest.mark.parametrize("text", ["a", "a" * 100_000])
def test_by_an_engine_in_a_process_of_its_own(checkpoint: Path, text: str) -> None:
    """Whether it answers or refuses."""
    engine = SeparateEngine(choices(checkpoint))

    async def work() -> None:
        one = asking.job(engine, replace(LONG, max_new_tokens=2), [(60, 40)], text)
        seen = weakref.ref(one.pictures[0])
        with contextlib.suppress(JobRefused):
            await asking.said(engine, one)
        del one
        await asking.until(lambda: seen() is None, 5)

    with_engine(engine, work())
