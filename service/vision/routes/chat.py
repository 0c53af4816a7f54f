"""POST /v1/chat/completions."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.vision import body
from service.vision.admission import Place
from service.vision.answering import Answering, failed
from service.vision.answers import Completion, Failure
from service.vision.contract import ChatRequest
from service.vision.description import EVENTS
from service.vision.disconnect import unless_gone
from service.vision.engine.protocol import EngineBusy, Generation, JobFailed, JobRefused
from service.vision.entry import Entry
from service.vision.errors import ApiError, invalid
from service.vision.reading import refused, words
from service.vision.rounds import Rounds
from service.vision.serving import Serving, identified, of
from service.vision.stream import EventStream

router = APIRouter()
_ROUTE = "/v1/chat/completions"
_ANSWERS: dict[int | str, dict[str, object]] = {
    200: {
        "description": "The whole answer; with stream: true its chunks as server-sent events, the last one [DONE].",
        "content": {"text/event-stream": {"schema": EVENTS}},
    },
    **{status: {"model": Failure} for status in (400, 401, 404, 408, 413, 429)},
}
_DESCRIBED = {
    "requestBody": {
        "required": True,
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ChatRequest"}}},
    }
}


@router.post(_ROUTE, response_model=Completion, responses=_ANSWERS, openapi_extra=_DESCRIBED)
async def complete(request: Request) -> Response:
    """Answer a conversation with pictures; streamed as server-sent events if asked."""
    serving = of(request)
    line, place = await _enter(serving, request)
    try:
        asked = await serving.reader.parse(await _body(serving, request), partial(_note, serving, line))
        line.mark("body")
        serving.reader.check(asked)
        _widen(place, asked.n or 1, serving.admission.most)
        if asked.stream:
            answering = await unless_gone(request.receive, _begin(serving, asked, line))
            usage = asked.stream_options is not None and asked.stream_options.include_usage
            return EventStream(answering, place, usage, serving.configuration.send_seconds)
        completion = await unless_gone(request.receive, _whole(serving, asked, line))
    except BaseException:
        place.leave()
        raise
    place.leave()
    return Response(completion.model_dump_json(exclude_none=True), media_type="application/json")


async def _enter(serving: Serving, request: Request) -> tuple[Entry, Place]:
    """Admission comes before the body is kept, let alone decoded: what waits outside costs nothing."""
    try:
        line = identified(request, _ROUTE)
        serving.require_ready()
        return line, serving.admission.enter(line.principal or "")
    except ApiError:
        await body.discard(request, *_bounds(serving))
        raise


def _note(serving: Serving, line: Entry, asked: ChatRequest) -> None:
    line.stream = bool(asked.stream)
    serving.auditor.read(words(asked.messages), asked.user, line)


def _widen(place: Place, answers: int, most: int) -> None:
    if answers > most:
        raise invalid(f"n: {answers}, expected at most {most}, as many as there are places", "n")
    place.widen(answers)


async def _body(serving: Serving, request: Request) -> list[bytes]:
    return await body.read(request, *_bounds(serving))


def _bounds(serving: Serving) -> tuple[int, float, Rounds]:
    return serving.configuration.max_body_bytes, serving.configuration.body_seconds, serving.rounds


async def _whole(serving: Serving, asked: ChatRequest, line: Entry) -> Completion:
    return await (await _begin(serving, asked, line)).whole()


async def _begin(serving: Serving, asked: ChatRequest, line: Entry) -> Answering:
    turns = await serving.reader.turns(asked.messages, line)
    line.mark("pictures")
    generations: list[Generation] = []
    try:
        for choice in range(asked.n or 1):
            job = serving.reader.job(asked, turns, choice, line.principal or "")
            generations.append(await serving.engine.submit(job))
    except BaseException as error:
        for generation in generations:
            generation.cancel()
        if isinstance(error, JobRefused):
            raise refused(asked, error) from None
        if isinstance(error, EngineBusy):
            raise ApiError(429, str(error), "queue_full", retry_after=5) from None
        if isinstance(error, JobFailed):
            raise failed(error) from None
        raise
    line.tokens_in = generations[0].prompt_tokens
    name = serving.configuration.model_name
    return Answering(f"chatcmpl-{line.request}", name, generations, asked.stop or (), line, serving.metrics)
