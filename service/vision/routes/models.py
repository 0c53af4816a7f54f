"""GET /v1/models and /v1/models/NAME; a name may hold slashes."""

from __future__ import annotations

from fastapi import APIRouter, Request

from service.vision.answers import Failure, Model, ModelLimits, Models
from service.vision.errors import ApiError
from service.vision.reading import ALIAS
from service.vision.serving import Serving, identified, of

router = APIRouter()


@router.get("/v1/models", responses={401: {"model": Failure}})
async def models(request: Request) -> Models:
    """The loaded model, and the alias that any model answers to."""
    identified(request, "/v1/models")
    return Models(data=_models(of(request)))


@router.get("/v1/models/{name:path}", responses={401: {"model": Failure}, 404: {"model": Failure}})
async def model(request: Request, name: str) -> Model:
    """One of them."""
    identified(request, "/v1/models/{name}")
    found = [one for one in _models(of(request)) if one.id == name]
    if not found:
        raise ApiError(404, "there is no such model; GET /v1/models lists them", "model_not_found", "model")
    return found[0]


def _models(serving: Serving) -> list[Model]:
    names = dict.fromkeys((serving.configuration.model_name, ALIAS))
    limits = ModelLimits.model_validate(serving.configuration)
    return [Model(id=name, created=serving.since, limits=limits) for name in names]
