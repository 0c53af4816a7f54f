"""uvicorn on a UNIX socket, and an end in good order."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from types import FrameType

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from service.vision.audit import AuditUnavailable
from service.vision.entry import Entry
from service.vision.errors import ApiError
from service.vision.serving import Serving

_LAST_SECONDS = 5
_AT_ONCE = 1 << 16
"""Bytes read from one connection before the others have their turn: with asyncio's 256 KiB, 32 large pictures that
arrive together hold everybody up for tens of milliseconds a round."""


class _Http(H11Protocol):
    """uvicorn's; what is no HTTP is refused in the API's shape and leaves its line, as everything else does."""

    serving: Serving
    _refusing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        transport.max_size = _AT_ONCE  # type: ignore[attr-defined]
        super().connection_made(transport)

    def send_400_response(self, msg: str) -> None:
        self.flow.pause_reading()
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.close()  # The end of a request that has its line came broken; its answer may have begun.
        elif self._refusing is None:
            self._refusing = self.loop.create_task(self._refuse())

    async def _refuse(self) -> None:
        entry = Entry(uuid.uuid4().hex, None, None, None, "other", reason="invalid_http")
        error = ApiError(400, "what came is no HTTP request", "invalid_http")
        try:
            await self.serving.auditor.write(entry, error.status)
        except AuditUnavailable:
            entry.reason = "audit_unavailable"
            error = ApiError(503, "the audit log takes no line, so nothing is answered", entry.reason, retry_after=5)
        self.serving.metrics.request(entry)
        if not self.transport.is_closing():
            self._say(error)
            self.transport.close()

    def _say(self, error: ApiError) -> None:
        body = json.dumps(error.body).encode("ascii")
        headers = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
        head = h11.Response(status_code=error.status, headers=[*headers.items()])
        for event in (head, h11.Data(body), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")


class Server(uvicorn.Server):
    """After SIGTERM: not ready, 503 for new requests, running answers finished or, at the deadline, cut; then it ends.

    uvicorn alone would close its socket at once, and Nginx would meet nothing there. A second signal is the deadline.
    """

    def __init__(self, app: ASGIApp, serving: Serving) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                uds=str(serving.configuration.socket),
                http=type("Http", (_Http,), {"serving": serving}),
                ws="none",
                lifespan="on",
                loop="asyncio",  # uvloop, where it is installed, would be taken, and does not let a read be bounded.
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_keep_alive=75,  # Nginx keeps an idle connection for 60 s and must not meet one just closed.
                timeout_graceful_shutdown=_LAST_SECONDS,
            )
        )
        self._serving = serving
        self._deadline: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._deadline is None:
            self._deadline = now + self._serving.configuration.drain_seconds
            self._serving.admission.closed = True
        elif now < self._deadline:
            self._deadline = now
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if self._serving.over:
            return True
        if self._deadline is not None and (self._serving.admission.inside == 0 or time.monotonic() > self._deadline):
            await self._serving.engine.stop()
            self.should_exit = True
        return await super().on_tick(counter)
