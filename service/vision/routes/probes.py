"""GET /healthz and /readyz: is it alive, and should it get requests. They never wait behind the model."""

from __future__ import annotations

from fastapi import APIRouter, Request

from service.vision.answers import Failure, State
from service.vision.serving import of

router = APIRouter()
_RESPONSES: dict[int | str, dict[str, object]] = {503: {"model": Failure}}


@router.get("/healthz", responses=_RESPONSES)
async def healthz(request: Request) -> State:
    """200 while the process works, loading included; 503 when the engine failed or gave no sign of life for long."""
    serving = of(request)
    serving.require_healthy()
    return State(status="ok", engine=serving.engine.health().state)


@router.get("/readyz", responses=_RESPONSES)
async def readyz(request: Request) -> State:
    """200 when loaded, warm, healthy, not stopping, and with room in the queue."""
    serving = of(request)
    serving.require_room()
    return State(status="ready", engine=serving.engine.health().state)
