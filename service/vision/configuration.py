"""What the container is told: environment variables that begin with CASEMATE_VISION_."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

PREFIX = "CASEMATE_VISION_"


class ConfigurationError(Exception):
    """One line a variable: what was got and what was expected."""


class Configuration(BaseModel):
    """Each field is the variable CASEMATE_VISION_<FIELD>; a variable that is none of these is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    model: Path = Field(description="Directory of the model's safetensors.")
    model_name: str = Field(pattern=r"^[a-z][a-z0-9_.-]{0,62}$", description="What clients call the model.")
    socket: Path = Field(description="UNIX socket to listen on; its directory guards it.")
    audit_log: Path = Field(description="Where every request leaves a line.")
    audit_full: Literal["refuse", "continue"] = Field("refuse", description="When the log takes no line: see audit.py.")
    audit_text: int = Field(0, ge=0, le=500, description="Characters of what was asked that the log keeps; 0: none.")
    device: Literal["cpu", "cuda"] = "cuda"
    precision: Literal["bf16", "fp16", "fp32", "int8"] = "bf16"
    compile: bool = Field(False, description="Have the model compiled at start; needs device cpu and a C++ compiler.")
    release: str = Field("none", max_length=64, description="Release id, for the audit log.")

    queue: int = Field(
        64, ge=1, le=10_000, description="Requests that may wait, shared by principals; more are answered 429."
    )
    queue_tokens: int = Field(
        400_000, ge=1_000, description="Tokens of prompts that may wait, shared by principals; more are answered 429."
    )
    batch: int = Field(16, ge=1, le=256, description="Answers that are generated at once.")
    max_new_tokens: int = Field(2048, ge=1, le=65_536, description="Longest answer, in tokens.")
    max_context: int = Field(32_768, ge=256, description="Prompt and answer together, in tokens.")
    max_pixels: int = Field(1_300_000, ge=12_544, description="A picture is scaled down to this many pixels.")
    max_body_bytes: int = Field(20_000_000, ge=1_000, description="Longest request.")
    max_pictures: int = Field(8, ge=1, le=64, description="Pictures in a request.")
    max_picture_bytes: int = Field(10_000_000, ge=1_000, description="Largest picture as a file.")
    max_picture_pixels: int = Field(25_000_000, ge=12_544, description="Largest picture before it is scaled down.")
    max_stretch: int = Field(
        200, ge=1, le=200, description="Longer side of a picture, in shorter ones; no model takes 201."
    )
    body_seconds: float = Field(60, gt=0, description="Longest time a client may take to send its request.")
    send_seconds: float = Field(30, gt=0, description="Longest time a client may leave a part of its answer unread.")
    drain_seconds: float = Field(50, ge=0, description="Longest time for running answers after SIGTERM.")


def from_environment(environment: Mapping[str, str]) -> Configuration:
    """Read the variables. Raises ConfigurationError."""
    given = {name.removeprefix(PREFIX).lower(): value for name, value in environment.items() if name.startswith(PREFIX)}
    try:
        return Configuration.model_validate(given)
    except ValidationError as error:
        lines = [f"{PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors()]
        raise ConfigurationError("\n".join(lines)) from error
