"""An answer as server-sent events."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Sequence
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from service.vision import answers
from service.vision.admission import Place
from service.vision.answering import Answering
from service.vision.audit import AuditUnavailable
from service.vision.disconnect import unless_gone
from service.vision.engine.protocol import Done
from service.vision.errors import ApiError, ClientGone
from service.vision.reply import Piece

_SILENCE = 10.0
"""Seconds without a piece, after which a comment keeps proxies and clients from giving up."""

_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-store"),
    (b"x-accel-buffering", b"no"),
]


class EventStream(Response):
    """Gives its place back and cancels its generations whether it is read to the end, cut, or never read."""

    def __init__(self, answering: Answering, place: Place, include_usage: bool, send_seconds: float) -> None:
        super().__init__()
        self._answering = answering
        self._place = place
        self._include_usage = include_usage
        self._send_seconds = send_seconds
        self._created = answers.now()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with contextlib.suppress(AuditUnavailable):  # Its client has been told.
                await unless_gone(receive, self._stream(send))
        except (ClientGone, TimeoutError):
            self._answering.line.reason = self._answering.line.finish = "cancelled"
        finally:
            self._place.leave()
            self._answering.cancel()

    async def _stream(self, send: Send) -> None:
        async def put(data: bytes, more: bool = True) -> None:
            async with asyncio.timeout(self._send_seconds):
                await send({"type": "http.response.body", "body": data, "more_body": more})

        async def say(index: int, items: Sequence[Piece | Done]) -> None:
            await put(b"".join([self._event(index, item) for item in items]) or b": still here\n\n")

        await send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
        beginning = {"role": "assistant", "content": ""}
        try:
            await put(b"".join(self._chunk(index, beginning) for index in range(len(self._answering.generations))))
            await self._answering.read(say, _SILENCE)
        except ApiError as error:
            self._answering.line.reason = error.code
            await put(_data(error.body), more=False)
            return
        end = b"data: [DONE]\n\n"
        if self._include_usage:
            end = _data({**self._frame(), "choices": [], "usage": self._answering.usage().model_dump()}) + end
        await put(end, more=False)

    def _event(self, index: int, item: Piece | Done) -> bytes:
        if isinstance(item, Done):
            return self._chunk(index, {}, item.reason)
        return self._chunk(index, {"content" if item.kind == "content" else "reasoning_content": item.text})

    def _chunk(self, index: int, delta: dict[str, str], reason: str | None = None) -> bytes:
        usage = {"usage": None} if self._include_usage else {}
        return _data({**self._frame(), "choices": [{"index": index, "delta": delta, "finish_reason": reason}], **usage})

    def _frame(self) -> dict[str, Any]:
        answering = self._answering
        kind = "chat.completion.chunk"
        return {"id": answering.id, "object": kind, "created": self._created, "model": answering.model}


def _data(content: dict[str, Any]) -> bytes:
    return (
        b"data: " + json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace") + b"\n\n"
    )
