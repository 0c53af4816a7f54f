"""The choices of one request while they are being made."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass

from service.vision import answers, faults
from service.vision.audit import Entry
from service.vision.engine.protocol import Done, Generation, JobFailed
from service.vision.errors import ApiError
from service.vision.metrics import Metrics
from service.vision.reply import Piece, read

_AHEAD = 64
"""Pieces that may wait for a slow reader; the answer as a whole is bounded by its tokens."""


@dataclass(frozen=True)
class Answering:
    """`n` generations under one id, the audit line that they add to, and who is told the time between pieces."""

    id: str
    model: str
    generations: Sequence[Generation]
    stops: Sequence[str]
    line: Entry
    metrics: Metrics

    async def pieces(self, silence: float | None = None) -> AsyncGenerator[tuple[int, Piece | Done] | None, None]:
        """Pieces with the index of their choice, as they come; None after `silence` seconds without one.

        Raises ApiError. When this is closed, the generations are cancelled.
        """
        queue: asyncio.Queue[tuple[int, Piece | Done | JobFailed]] = asyncio.Queue(_AHEAD)
        pumps = [asyncio.create_task(self._pump(queue, *choice)) for choice in enumerate(self.generations)]
        progress = _Progress(self.line, self.metrics, len(pumps))
        try:
            while progress.running:
                try:
                    async with asyncio.timeout(silence):
                        index, item = await queue.get()
                except TimeoutError:
                    yield None
                    continue
                if isinstance(item, JobFailed):
                    raise failed(item)
                progress.note(index, item)
                yield index, item
        finally:
            await _ended(pumps)

    async def whole(self) -> answers.Completion:
        """The complete answer. Raises ApiError."""
        texts = [{"reasoning": "", "content": ""} for _ in self.generations]
        reasons: dict[int, Done] = {}
        progress = _Progress(self.line, self.metrics, len(self.generations))

        async def collect(index: int, one: Generation) -> None:
            async with contextlib.aclosing(self._read(one)) as pieces:
                async for item in pieces:
                    progress.note(index, item)
                    if isinstance(item, Done):
                        reasons[index] = item
                        continue
                    if item.repeats:
                        texts[index]["reasoning"] = ""
                    texts[index][item.kind] += item.text

        collecting = [asyncio.create_task(collect(*choice)) for choice in enumerate(self.generations)]
        try:
            await asyncio.gather(*collecting)
        except JobFailed as failure:
            raise failed(failure) from None
        finally:
            await _ended(collecting)
        choices = [
            answers.Choice(
                index=index,
                message=answers.AnswerMessage(content=text["content"], reasoning_content=text["reasoning"] or None),
                finish_reason=reasons[index].reason,
            )
            for index, text in enumerate(texts)
        ]
        return answers.Completion(
            id=self.id, created=answers.now(), model=self.model, choices=choices, usage=self.usage()
        )

    def cancel(self) -> None:
        """Stop what still runs."""
        for generation in self.generations:
            generation.cancel()

    def usage(self) -> answers.Usage:
        """Tokens so far."""
        return answers.Usage.of(self.line.tokens_in, self.line.tokens_out)

    async def _pump(
        self, queue: asyncio.Queue[tuple[int, Piece | Done | JobFailed]], index: int, one: Generation
    ) -> None:
        try:
            async with contextlib.aclosing(self._read(one)) as pieces:
                async for piece in pieces:
                    await queue.put((index, piece))
        except JobFailed as failure:
            await queue.put((index, failure))

    async def _read(self, one: Generation) -> AsyncGenerator[Piece | Done, None]:
        try:
            async with contextlib.aclosing(read(one, self.stops)) as pieces:
                async for piece in pieces:
                    yield piece
        except JobFailed:
            raise
        except Exception as error:  # A fault of ours: without this its client would wait for ever.
            faults.tell(error)
            raise JobFailed("the service failed at this request", "internal_error", again=False) from None


class _Progress:
    """What the audit line and the metrics are told while choices are read."""

    def __init__(self, line: Entry, metrics: Metrics, choices: int) -> None:
        self.running = choices
        self._line = line
        self._metrics = metrics
        self._spoken = [0] * choices
        self._before: list[float | None] = [None] * choices

    def note(self, index: int, item: Piece | Done) -> None:
        """A choice has come so far."""
        if item.tokens > self._spoken[index]:
            if (before := self._before[index]) is not None:
                self._metrics.token(item.at - before)
            self._before[index] = item.at
        self._spoken[index] = item.tokens
        self._line.tokens_out = sum(self._spoken)
        if isinstance(item, Done):
            self.running -= 1
            self._line.finish = item.reason if self._line.finish in (None, item.reason) else "mixed"
            return
        if "first_token" not in self._line.seconds:
            self._line.mark("first_token", item.at)
        self._line.response_length += len(item.text)


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def failed(failure: JobFailed) -> ApiError:
    """As the API tells it."""
    if failure.again:
        return ApiError(503, str(failure), failure.code, retry_after=5)
    return ApiError(500, str(failure), failure.code)
