"""GET /metrics: for Prometheus, which asks for its format by itself."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from service.vision.serving import of

router = APIRouter()
_FORMATS: dict[int | str, dict[str, object]] = {
    200: {"content": {"text/plain": {}, "application/openmetrics-text": {}}}
}


@router.get("/metrics", response_class=Response, responses=_FORMATS)
async def metrics(request: Request) -> Response:
    """Every figure, none of them with a word of a client in it. It needs no identity, as the probes; the door does."""
    text, kind = of(request).metrics.text(request.headers.get("accept", ""))
    return Response(text, media_type=kind)
