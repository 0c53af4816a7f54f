"""What the routes share: one service, its engine and its state."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from fastapi import Request

from service.vision.admission import Admission
from service.vision.answers import now
from service.vision.audit import Auditor
from service.vision.configuration import Configuration
from service.vision.engine.protocol import Engine, EngineUnusable
from service.vision.entry import Entry
from service.vision.errors import ApiError
from service.vision.metrics import Metrics
from service.vision.moment import Moment
from service.vision.reading import Reader
from service.vision.rounds import Rounds

_LONGEST_SILENCE = 300.0
"""Seconds. Each layer is a sign of life (of what is compiled, only its end): one of GLM-4.6V-Flash's reads 32,768
tokens in about 90 s on four cores (2.2e13 operations, 6e10 a second each, as measured in bf16), all of them in an hour.
"""


@dataclass
class Serving:
    """Made once; `failure` is why the engine did not start."""

    configuration: Configuration
    engine: Engine
    auditor: Auditor
    admission: Admission
    reader: Reader
    metrics: Metrics
    failure: str | None = None
    rounds: Rounds = field(default_factory=Rounds)
    since: int = field(default_factory=now)

    async def start(self) -> None:
        """Start the engine; a failure is told and kept, and the process ends by it."""
        try:
            await self.engine.start()
        except EngineUnusable as error:
            self._fail(str(error))

    @property
    def over(self) -> bool:
        """Whether nothing will ever be answered again: the process ends, and whoever keeps it starts another one."""
        if self.failure is None and self.engine.lost:
            self._fail(self.engine.lost)
        return self.failure is not None

    def _fail(self, why: str) -> None:
        self.failure = why
        print(why, file=sys.stderr, flush=True)  # The last line of a container that ends is what a deploy shows.

    def require_healthy(self) -> None:
        """Raises ApiError 503 when the engine failed or gave no sign of life for long; loading is healthy."""
        health = self.engine.health()
        if self.failure or health.state == "failed":
            raise ApiError(503, self.failure or "the engine has died", "engine_failed", retry_after=5)
        if health.state == "ready" and health.beat > _LONGEST_SILENCE:
            message = f"the engine gave no sign of life for {health.beat:.0f} s"
            raise ApiError(503, message, "engine_stuck", retry_after=5)

    def require_ready(self) -> None:
        """Raises ApiError 503 while there is nothing that could answer, an engine that is stuck included."""
        if self.admission.closed:
            raise ApiError(503, "the service is stopping", "stopping", retry_after=5)
        self.require_healthy()
        state = self.engine.health().state
        if state != "ready":
            raise ApiError(503, f"the engine is {state}", f"engine_{state}", retry_after=5)

    def require_room(self) -> None:
        """Raises ApiError 503 while the next request would be turned away."""
        self.require_ready()
        if self.admission.full:
            raise ApiError(503, "the queue is full", "queue_full", retry_after=1)

    def moment(self) -> Moment:
        """For the metrics."""
        return Moment(
            ready=_holds(self.require_room),
            healthy=_holds(self.require_healthy),
            beat=self.engine.health().beat,
            load=self.engine.load(),
            places=self.admission.most,
            places_taken=self.admission.inside,
            audit_failures=self.auditor.failures,
            audit_lost=self.auditor.lost,
        )


def _holds(require: Callable[[], None]) -> bool:
    try:
        require()
    except ApiError:
        return False
    return True


def of(request: Request) -> Serving:
    """The service that a request came to."""
    serving: Serving = request.app.state.serving
    return serving


def identified(request: Request, route: str) -> Entry:
    """The audit line, for a route under /v1. Raises ApiError 401 for a request that did not come through the door."""
    line = Entry.of(request.scope)
    line.route = route
    if line.principal is None or line.key_id is None:
        raise ApiError(401, "no identity: requests come through the proxy, which asks the gate", "no_identity")
    return line
