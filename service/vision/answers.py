"""The forms of what the API answers."""

from __future__ import annotations

import time
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Usage(BaseModel):
    """Tokens; with n choices the prompt counts once and the answers together."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int

    @classmethod
    def of(cls, prompt: int, completion: int) -> Usage:
        """Add up."""
        return cls(prompt_tokens=prompt, completion_tokens=completion, total_tokens=prompt + completion)


class AnswerMessage(BaseModel):
    """What the model said, and what it thought before."""

    role: Literal["assistant"] = "assistant"
    content: str
    reasoning_content: str | None = None


class Choice(BaseModel):
    """One answer."""

    index: int
    message: AnswerMessage
    finish_reason: Literal["stop", "length"]


class Completion(BaseModel):
    """A whole answer."""

    id: str
    object: Literal["chat.completion"] = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class Delta(BaseModel):
    """More of one answer; the role comes first and once."""

    role: Literal["assistant"] | None = None
    content: str | None = None
    reasoning_content: str | None = None


class ChunkChoice(BaseModel):
    """More of one of the answers; the last one of each says why it ends."""

    index: int
    delta: Delta
    finish_reason: Literal["stop", "length"] | None


class Chunk(BaseModel):
    """A part of a streamed answer; with include_usage the last one has no choices and tells the tokens."""

    id: str
    object: Literal["chat.completion.chunk"] = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None


class ModelLimits(BaseModel):
    """What one request may bring, by the names of the settings."""

    model_config = ConfigDict(from_attributes=True)

    max_pictures: int = Field(description="Pictures in a request, those of earlier turns among them.")
    max_pixels: int = Field(description="A larger picture is scaled down to this many pixels: sending more is in vain.")
    max_picture_pixels: int = Field(description="Pixels of a picture as it is sent; one with more is refused.")
    max_picture_bytes: int = Field(description="Bytes of a picture's file, before base64; a larger one is refused.")
    max_body_bytes: int = Field(description="Bytes of a request, base64 and all; the proxy may allow fewer.")


class Model(BaseModel):
    """A name that the loaded model answers to, and how much it takes at once."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: Literal["casemate"] = "casemate"
    limits: ModelLimits


class Models(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[Model]


class Fault(BaseModel):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str | None


class Failure(BaseModel):
    """Every answer other than success."""

    error: Fault


class State(BaseModel):
    """Of the service, for probes."""

    status: Literal["ok", "ready"]
    engine: str


def now() -> int:
    """Seconds since 1970, as the API counts."""
    return int(time.time())
