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
from service.vision.reading import Reader
from service.vision.routes import chat, models, probes
from service.vision.serving import Serving
from service.vision.trail import Trail


def create(configuration: Configuration, engine: Engine) -> tuple[ASGIApp, Serving]:
    """The application, with the audit trail as its outermost layer, and what it serves."""
    Image.MAX_IMAGE_PIXELS = configuration.max_picture_pixels  # Pillow's own guard, for canvases made while opening.
    serving = Serving(
        configuration,
        engine,
        Auditor(configuration.audit_log, configuration.model_name, configuration.release),
        Admission(configuration.queue + engine.width, engine.width),
        Reader(configuration, engine),
    )
    app = _Api(
        title="casemate vision",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=_lifespan,
        responses=description.ANYWHERE,
    )
    app.state.serving = serving
    for routes in (chat, models, probes):
        app.include_router(routes.router)
    errors.install(app)
    return Trail(app, serving.auditor), serving


class _Api(FastAPI):
    def openapi(self) -> dict[str, Any]:
        """What /openapi.json says."""
        return description.completed(super().openapi(), self.state.serving.configuration)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    serving: Serving = app.state.serving
    starting = asyncio.create_task(serving.start())
    try:
        yield
    finally:
        starting.cancel()
        await serving.engine.stop()
