"""The choices of one request while they are being made."""

from __future__ import annotations

import asyncio
import contextlib
import time
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
        spoken = [0] * len(pumps)
        before: list[float | None] = [None] * len(pumps)
        running = len(pumps)
        try:
            while running:
                try:
                    async with asyncio.timeout(silence):
                        index, item = await queue.get()
                except TimeoutError:
                    yield None
                    continue
                if isinstance(item, JobFailed):
                    raise failed(item)
                if item.tokens > spoken[index]:
                    before[index] = self._time(before[index])
                spoken[index] = item.tokens
                running -= isinstance(item, Done)
                self._note(item, sum(spoken))
                yield index, item
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def whole(self) -> answers.Completion:
        """The complete answer. Raises ApiError."""
        texts = [{"reasoning": "", "content": ""} for _ in self.generations]
        reasons: dict[int, Done] = {}
        async with contextlib.aclosing(self.pieces()) as pieces:
            async for index, item in (pair async for pair in pieces if pair):
                if isinstance(item, Done):
                    reasons[index] = item
                    continue
                if item.repeats:
                    texts[index]["reasoning"] = ""
                texts[index][item.kind] += item.text
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
            async with contextlib.aclosing(read(one, self.stops)) as pieces:
                async for piece in pieces:
                    await queue.put((index, piece))
        except JobFailed as failure:
            await queue.put((index, failure))
        except Exception as error:  # A fault of ours: without this its client would wait for ever.
            faults.tell(error)
            await queue.put((index, JobFailed("the service failed at this request", "internal_error", again=False)))

    def _time(self, before: float | None) -> float:
        now = time.monotonic()
        if before is not None:
            self.metrics.token(now - before)
        return now

    def _note(self, item: Piece | Done, tokens: int) -> None:
        self.line.tokens_out = tokens
        if isinstance(item, Done):
            self.line.finish = item.reason if self.line.finish in (None, item.reason) else "mixed"
            return
        if "first_token" not in self.line.seconds:
            self.line.mark("first_token")
        self.line.response_length += len(item.text)


def failed(failure: JobFailed) -> ApiError:
    """As the API tells it."""
    if failure.again:
        return ApiError(503, str(failure), failure.code, retry_after=5)
    return ApiError(500, str(failure), failure.code)
