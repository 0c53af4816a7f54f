"""What the routes share: one service, its engine and its state."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from fastapi import Request

from service.vision import audit, faults
from service.vision.admission import Admission
from service.vision.answers import now
from service.vision.audit import Auditor, Entry
from service.vision.configuration import Configuration
from service.vision.engine.protocol import Engine, EngineUnusable
from service.vision.errors import ApiError
from service.vision.reading import Reader


@dataclass
class Serving:
    """Made once; `failure` is why the engine did not start."""

    configuration: Configuration
    engine: Engine
    auditor: Auditor
    admission: Admission
    reader: Reader
    failure: str | None = None
    since: int = field(default_factory=now)

    async def start(self) -> None:
        """Start the engine; a failure is told and kept, and the process ends by it."""
        try:
            await self.engine.start()
        except EngineUnusable as error:
            self._fail(str(error))
        except Exception as error:  # A library met what no check of ours had looked at.
            faults.tell(error)
            what = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            self._fail(f"{self.configuration.model} cannot be loaded: {what}; next: casemate release verify")

    def _fail(self, why: str) -> None:
        self.failure = why
        print(why, file=sys.stderr, flush=True)  # The last line of a container that ends is what a deploy shows.

    def require_ready(self) -> None:
        """Raises ApiError 503 while there is nothing that could answer."""
        if self.admission.closed:
            raise ApiError(503, "the service is stopping", "stopping", retry_after=5)
        state = self.engine.health().state
        if state != "ready":
            raise ApiError(503, f"the engine is {state}", f"engine_{state}", retry_after=5)


def of(request: Request) -> Serving:
    """The service that a request came to."""
    serving: Serving = request.app.state.serving
    return serving


def identified(request: Request, route: str) -> Entry:
    """The audit line, for a route under /v1. Raises ApiError 401 for a request that did not come through the door."""
    line = audit.entry(request.scope)
    line.route = route
    if line.principal is None or line.key_id is None:
        raise ApiError(401, "no identity: requests come through the proxy, which asks the gate", "no_identity")
    return line
