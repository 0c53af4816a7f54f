"""What /openapi.json adds to FastAPI's own description, so that it says all that is taken and answered."""

from __future__ import annotations

from typing import Any

from service.vision.answers import Chunk, Failure
from service.vision.configuration import Configuration
from service.vision.contract import ChatRequest
from service.vision.reading import ALIAS

ANYWHERE: dict[int | str, dict[str, Any]] = {
    404: {"model": Failure, "description": "There is nothing at this address."},
    405: {"model": Failure, "description": "Another method; the header Allow names those that are offered."},
    500: {"model": Failure, "description": "The service failed at this request."},
    503: {"model": Failure, "description": "Not now: loading, stopping, or the audit log takes no line."},
}
"""Answers that any route may give."""

_REFERENCES = "#/components/schemas/{model}"
_PARTS = [{"$ref": _REFERENCES.format(model=name)} for name in ("Chunk", "Failure")]
EVENTS: dict[str, Any] = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "data": {
            "anyOf": [
                {"type": "string", "const": "[DONE]"},
                {"type": "string", "contentMediaType": "application/json", "contentSchema": {"anyOf": _PARTS}},
            ]
        }
    },
}
"""Each server-sent event of a streamed answer."""


def completed(whole: dict[str, Any], configuration: Configuration) -> dict[str, Any]:
    """The description with the request that the chat route reads by itself, and without an answer that none gives."""
    request = ChatRequest.model_json_schema(ref_template=_REFERENCES)
    request["properties"]["model"]["enum"] = [configuration.model_name, ALIAS]
    for name in ("max_completion_tokens", "max_tokens"):
        request["properties"][name]["anyOf"][0]["maximum"] = configuration.max_new_tokens
    schemas = whole["components"]["schemas"]
    chunk = Chunk.model_json_schema(ref_template=_REFERENCES)
    schemas |= {**request.pop("$defs"), "ChatRequest": request, **chunk.pop("$defs"), "Chunk": chunk}
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for route in whole["paths"].values():
        for operation in route.values():
            operation["responses"].pop("422", None)
    return whole
