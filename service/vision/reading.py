"""From a request, as the contract has it, to a job for an engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from service.vision.cgroup import cpus
from service.vision.configuration import Configuration
from service.vision.contract import ChatRequest, parse
from service.vision.conversation import Job, Picture, Sampling, Turn
from service.vision.engine.protocol import Engine, JobRefused
from service.vision.entry import Entry
from service.vision.errors import ApiError, invalid
from service.vision.messages import AssistantMessage, ImagePart, Message, SystemMessage, TextPart
from service.vision.pictures import Limits, PictureRefused, decode

ALIAS = "glm-4v"
"""Whatever model is loaded also answers to this name."""

_LARGE_BODY = 1 << 18
_MOST_DECODERS = 4
_SOME_WORDS, _MANY_WORDS = 8, 32


@dataclass(frozen=True)
class _Seen:
    """A picture in a request: where it stands, for the error, and what it is."""

    path: str
    part: ImagePart


class Reader:
    """Checks what the contract's form alone cannot say, and decodes pictures, a few at a time."""

    def __init__(self, configuration: Configuration, engine: Engine) -> None:
        self._configuration = configuration
        self._engine = engine
        self._limits = Limits(
            configuration.max_picture_bytes, configuration.max_picture_pixels, configuration.max_stretch
        )
        self._parsers = ThreadPoolExecutor(1, thread_name_prefix="parse")
        # One processor is left to the engine: with a GPU it is its thread's, without one the engine lives of it.
        decoders = min(_MOST_DECODERS, max(1, int(cpus()) - 1))
        self._decoders = ThreadPoolExecutor(decoders, thread_name_prefix="decode")

    async def parse(self, body: list[bytes], note: Callable[[ChatRequest], None]) -> ChatRequest:
        """Also have it noted. Raises ApiError.

        Large ones elsewhere: a few that end together would hold the event loop up for long.
        """

        def whole() -> ChatRequest:
            asked = parse(b"".join(body))
            note(asked)
            return asked

        if sum(map(len, body)) < _LARGE_BODY:
            return whole()
        return await asyncio.get_running_loop().run_in_executor(self._parsers, whole)

    def check(self, asked: ChatRequest) -> None:
        """Raises ApiError."""
        limit = self._configuration.max_new_tokens
        for name in ("max_completion_tokens", "max_tokens"):
            if (getattr(asked, name) or 0) > limit:
                raise invalid(f"{name}: {getattr(asked, name)}, expected at most {limit}", name)
        if asked.max_tokens and asked.max_completion_tokens not in (None, asked.max_tokens):
            raise invalid("max_tokens: contradicts max_completion_tokens, expected one of them", "max_tokens")
        if asked.model not in (self._configuration.model_name, ALIAS):
            raise ApiError(
                404, f"model: expected {self._configuration.model_name} or {ALIAS}", "model_not_found", "model"
            )
        if asked.stream_options and not asked.stream:
            raise invalid("stream_options: expected only with stream: true", "stream_options")
        if isinstance(asked.messages[-1], AssistantMessage):
            raise invalid("messages: the last one is the assistant's, expected the user's", "messages")
        pictures = len(list(_pictures(asked.messages)))
        if pictures > self._configuration.max_pictures:
            most = self._configuration.max_pictures
            raise invalid(f"messages: {pictures} pictures, expected at most {most}", "messages", "too_many_images")
        _thinking(asked)

    async def turns(self, messages: list[Message], line: Entry) -> tuple[Turn, ...]:
        """Decode what is in them. Raises ApiError with the path of the picture at fault.

        The line is told of each picture as soon as its file's digest is known, and again when it is decoded.
        """
        loop = asyncio.get_running_loop()
        jobs = [
            loop.run_in_executor(self._decoders, self._decode, one, partial(line.saw, at))
            for at, one in enumerate(_pictures(messages))
        ]
        try:
            decoded = iter(await asyncio.gather(*jobs))
        except BaseException:
            for job in jobs:
                job.cancel()
            raise
        finally:
            del jobs  # A failure of one holds this frame, and with it the others: a circle.
        return tuple(
            _turn(message, [next(decoded) if isinstance(part, ImagePart) else part.text for part in message.content])
            for message in messages
        )

    def job(self, asked: ChatRequest, turns: tuple[Turn, ...], choice: int, principal: str) -> Job:
        """The job for one of the `n` choices: each has its own stream of chance."""
        sampling = Sampling(
            max_new_tokens=asked.max_completion_tokens or asked.max_tokens,
            temperature=asked.temperature,
            top_p=asked.top_p,
            top_k=None if asked.top_k is None else max(asked.top_k, 0),
            repetition_penalty=asked.repetition_penalty,
            seed=None if asked.seed is None else asked.seed + choice,
        )
        return Job(turns, sampling, _thinking(asked), principal, _together(asked))

    def _decode(self, seen: _Seen, tell: Callable[..., None]) -> Picture:
        fit = partial(self._engine.fit, coarse=seen.part.image_url.detail == "low")
        try:
            picture = decode(seen.part.image_url.url, self._limits, fit, tell)
        except PictureRefused as refused:
            raise invalid(f"{seen.path}: {refused}", seen.path, refused.code) from None
        tell(picture.sha256, picture.width, picture.height)
        return picture


def words(messages: list[Message]) -> tuple[Turn, ...]:
    """The turns without their pictures: what can be told of them before these are decoded."""
    return tuple(
        _turn(message, [part.text for part in message.content if isinstance(part, TextPart)]) for message in messages
    )


def refused(asked: ChatRequest, refusal: JobRefused) -> ApiError:
    """As the API tells it, with the name that the client gave to what is at fault."""
    by_template = refusal.param == "thinking" and asked.thinking is None
    param = "chat_template_kwargs.enable_thinking" if by_template else refusal.param
    return invalid(str(refusal), param, refusal.code)


def _pictures(messages: list[Message]) -> Iterator[_Seen]:
    for i, message in enumerate(messages):
        for j, part in enumerate(message.content):
            if isinstance(part, ImagePart):
                yield _Seen(f"messages[{i}].content[{j}].image_url.url", part)


def _turn(message: Message, parts: Sequence[str | Picture]) -> Turn:
    if isinstance(message, SystemMessage):
        return Turn("system", tuple(parts))
    reasoning = message.reasoning_content if isinstance(message, AssistantMessage) else None
    return Turn(message.role, tuple(parts), reasoning)


def _together(asked: ChatRequest) -> int:
    """Words beyond a stop string are made in vain; where there is none, only who leaves wants to know how many."""
    if asked.stream:
        return 1
    return _SOME_WORDS if asked.stop else _MANY_WORDS


def _thinking(asked: ChatRequest) -> bool | None:
    by_template = asked.chat_template_kwargs.enable_thinking if asked.chat_template_kwargs else None
    by_type = asked.thinking.type == "enabled" if asked.thinking else None
    if by_template is not None and by_type is not None and by_template != by_type:
        raise invalid("thinking: contradicts chat_template_kwargs.enable_thinking, expected one of them", "thinking")
    return by_template if by_type is None else by_type
