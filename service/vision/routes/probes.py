"""GET /healthz and /readyz: is it alive, and should it get requests. They never wait behind the model."""

from __future__ import annotations

from fastapi import APIRouter, Request

from service.vision.answers import Failure, State
from service.vision.errors import ApiError
from service.vision.serving import of

router = APIRouter()
_LONGEST_STEP = 300.0
"""Seconds; the prefill of a full context on a slow processor stays below."""

_RESPONSES: dict[int | str, dict[str, object]] = {503: {"model": Failure}}


@router.get("/healthz", responses=_RESPONSES)
async def healthz(request: Request) -> State:
    """200 while the process works, loading included; 503 when the engine failed or gave no sign of life for long."""
    serving = of(request)
    health = serving.engine.health()
    if serving.failure or health.state == "failed":
        raise ApiError(503, serving.failure or "the engine has died", "engine_failed", retry_after=5)
    if health.state == "ready" and health.beat > _LONGEST_STEP:
        raise ApiError(503, f"the engine gave no sign of life for {health.beat:.0f} s", "engine_stuck", retry_after=5)
    return State(status="ok", engine=health.state)


@router.get("/readyz", responses=_RESPONSES)
async def readyz(request: Request) -> State:
    """200 when loaded, warm, not stopping, and with room in the queue."""
    serving = of(request)
    serving.require_ready()
    if serving.admission.full:
        raise ApiError(503, "the queue is full", "queue_full", retry_after=1)
    return State(status="ready", engine=serving.engine.health().state)
