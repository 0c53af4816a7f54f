"""Reading a request's body: bounded in size and in time, and always to its end.

An answer that is sent while its request is still coming may be lost: closing a socket with unread bytes in it resets
the connection, and Nginx then tells 502 instead of our 413 or 429.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request

from service.vision.errors import ApiError, ClientGone
from service.vision.rounds import Rounds

_MOST_DISCARDED = 4
"""Times the limit: what a client may send in vain before the connection is closed on it."""


async def read(request: Request, limit: int, seconds: float, rounds: Rounds) -> list[bytes]:
    """The parts of a body of at most `limit` bytes. Raises ApiError (413, 408) or ClientGone."""
    kept: list[bytes] = []
    size = 0
    async for part in _parts(request, limit, seconds, rounds):
        size += len(part)
        if size > limit:
            kept.clear()
        else:
            kept.append(part)
    if size > limit:
        raise ApiError(413, f"the request has more than {limit} bytes", "request_too_large")
    return kept


async def discard(request: Request, limit: int, seconds: float, rounds: Rounds) -> None:
    """Let a body pass that will not be read. Raises as `read` does."""
    async for _ in _parts(request, limit, seconds, rounds):
        pass


async def _parts(request: Request, limit: int, seconds: float, rounds: Rounds) -> AsyncIterator[bytes]:
    size, more, end = 0, True, asyncio.get_running_loop().time() + seconds
    while more and size <= _MOST_DISCARDED * limit:
        try:
            async with asyncio.timeout_at(end):
                if size:  # A small request is one part, and waits for nobody.
                    await rounds.turn()
                message = await request.receive()
        except TimeoutError:
            raise ApiError(408, f"the request took longer than {seconds:g} s to arrive", "request_timeout") from None
        if message["type"] == "http.disconnect":
            raise ClientGone
        part: bytes = message.get("body", b"")
        size, more = size + len(part), message.get("more_body", False)
        yield part
