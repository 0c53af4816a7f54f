"""The choices of one request while they are being made."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from service.vision import answers, faults
from service.vision.engine.protocol import Done, Generation, JobFailed, Text
from service.vision.entry import Entry
from service.vision.errors import ApiError
from service.vision.metrics import Metrics
from service.vision.reply import Piece, Reply

Take = Callable[[int, Sequence[Piece | Done]], Awaitable[None]]
"""Who is given what a choice, by its index, has come to; the next of it waits until this returns."""


@dataclass(frozen=True)
class Answering:
    """`n` generations under one id, the audit line that they add to, and who is told the time between tokens."""

    id: str
    model: str
    generations: Sequence[Generation]
    stops: Sequence[str]
    line: Entry
    metrics: Metrics

    async def read(self, take: Take, silence: float | None = None) -> None:
        """Give what comes to `take` until all choices have ended, and nothing after `silence` seconds without a piece.

        Raises ApiError, and TimeoutError as `take` does. However this ends, the generations are cancelled.
        """
        progress = _Progress(self.line, self.metrics, len(self.generations))
        reading = [asyncio.create_task(self._read(*choice, take, progress)) for choice in enumerate(self.generations)]
        pending = set(reading)
        try:
            while pending:
                # While somebody is slow to take a piece there is no silence, and no comment to wait for behind it.
                latest = time.monotonic() if progress.taking else progress.latest
                left = None if silence is None else max(0.0, latest + silence - time.monotonic())
                done, pending = await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_EXCEPTION)
                for one in done:
                    one.result()
                silent = silence is not None and time.monotonic() >= progress.latest + silence
                if silent and not progress.taking:
                    progress.latest = time.monotonic()
                    await take(0, ())
        except JobFailed as failure:
            raise failed(failure) from None
        finally:
            self.cancel()  # A task that is cancelled before it began cancels nothing.
            await _ended(reading)

    async def whole(self) -> answers.Completion:
        """The complete answer. Raises ApiError."""
        texts = [{"reasoning": "", "content": ""} for _ in self.generations]
        reasons: dict[int, Done] = {}

        async def collect(index: int, items: Sequence[Piece | Done]) -> None:
            for item in items:
                if isinstance(item, Done):
                    reasons[index] = item
                    continue
                if item.repeats:
                    texts[index]["reasoning"] = ""
                texts[index][item.kind] += item.text

        await self.read(collect)
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

    async def _read(self, index: int, one: Generation, take: Take, progress: _Progress) -> None:
        reply = Reply(self.stops, one.thinks_first)
        try:
            async for events in one:
                items = reply.take(events)
                progress.note(index, events, items)
                if items:
                    progress.taking += 1
                    await take(index, items)
                    progress.taking -= 1
                    progress.latest = time.monotonic()
                if items and isinstance(items[-1], Done):
                    return
        except (JobFailed, TimeoutError):
            raise
        except Exception as error:  # A fault of ours: without this a stream would break off without a word.
            faults.tell(error)
            raise JobFailed("the service failed at this request", "internal_error", again=False) from None
        finally:
            one.cancel()


class _Progress:
    """What the audit line and the metrics are told while choices are read."""

    def __init__(self, line: Entry, metrics: Metrics, choices: int) -> None:
        self.latest = time.monotonic()
        self.taking = 0
        self._line = line
        self._metrics = metrics
        self._spoken = [0] * choices
        self._before: list[float | None] = [None] * choices

    def note(self, index: int, events: Sequence[Text | Done], items: Sequence[Piece | Done]) -> None:
        """Of a choice have come `events`, and out of these `items`."""
        for event in events:
            if event.tokens > self._spoken[index]:
                if (before := self._before[index]) is not None:
                    self._metrics.token(event.at - before)
                self._before[index] = event.at
            self._spoken[index] = event.tokens
        if items:
            if "first_token" not in self._line.seconds and isinstance(items[0], Piece):
                self._line.mark("first_token", events[0].at)
            self._line.response_length += sum(len(item.text) for item in items if isinstance(item, Piece))
            if isinstance(end := items[-1], Done):
                self._spoken[index] = end.tokens  # At a stop string there may be more events than were needed.
                self._line.finish = end.reason if self._line.finish in (None, end.reason) else "mixed"
        self._line.tokens_out = sum(self._spoken)


async def _ended(tasks: Sequence[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def failed(failure: JobFailed) -> ApiError:
    """As the API tells it."""
    if failure.again:
        return ApiError(503, str(failure), failure.code, retry_after=5)
    return ApiError(500, str(failure), failure.code)
