"""The service as an ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI
from PIL import Image
from starlette.types import ASGIApp

from service.vision import description, errors
from service.vision.admission import Admission
from service.vision.audit import Auditor
from service.vision.configuration import Configuration
from service.vision.engine.protocol import Engine
from service.vision.metrics import Metrics
from service.vision.moment import Moments
from service.vision.reading import Reader
from service.vision.routes import chat, metrics, models, page, probes
from service.vision.serving import Serving
from service.vision.trail import Trail


def create(configuration: Configuration, engine: Engine) -> tuple[ASGIApp, Serving]:
    """The application, with the audit trail as its outermost layer, and what it serves."""
    Image.MAX_IMAGE_PIXELS = configuration.max_picture_pixels  # Pillow's own guard, for canvases made while opening.
    serving = Serving(
        configuration,
        engine,
        Auditor(configuration),
        Admission(configuration.queue + engine.width, engine.width),
        Reader(configuration, engine),
        Metrics(configuration.model_name, configuration.release),
    )
    serving.metrics.read_at_scrape(Moments(serving.moment))
    app = _Api(
        title="casemate vision",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},  # Else each request looks for who wants it.
        lifespan=_lifespan,
        responses=description.ANYWHERE,
    )
    app.state.serving = serving
    for routes in (chat, models, page, probes, metrics):
        app.include_router(routes.router)
    errors.install(app)
    return Trail(app, serving.auditor, serving.metrics), serving


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """What /openapi.json says."""
        return description.completed(super().openapi(), self.state.serving.configuration)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    serving: Serving = app.state.serving
    background = [asyncio.create_task(serving.start()), asyncio.create_task(serving.metrics.measure_lag())]
    try:
        yield
    finally:
        for task in background:
            task.cancel()
        await serving.engine.stop()
        await serving.auditor.close()
