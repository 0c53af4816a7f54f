"""uvicorn on a UNIX socket, and an end in good order."""

from __future__ import annotations

import time
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from service.vision.serving import Serving

_LAST_SECONDS = 5


class Server(uvicorn.Server):
    """After SIGTERM: not ready, 503 for new requests, running answers finished or, at the deadline, cut; then it ends.

    uvicorn alone would close its socket at once, and Nginx would meet nothing there. A second signal ends it at once.
    """

    def __init__(self, app: ASGIApp, serving: Serving) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                uds=str(serving.configuration.socket),
                http="h11",
                ws="none",
                lifespan="on",
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
        if self._deadline is None:
            self._deadline = time.monotonic() + self._serving.configuration.drain_seconds
            self._serving.admission.closed = True
        else:
            super().handle_exit(sig, frame)

    async def on_tick(self, counter: int) -> bool:
        if self._serving.failure:
            return True
        if self._deadline is not None and (self._serving.admission.inside == 0 or time.monotonic() > self._deadline):
            await self._serving.engine.stop()
            self.should_exit = True
        return await super().on_tick(counter)
