"""What POST /v1/chat/completions takes. A field that is not here is refused, never ignored."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from pydantic_core import ErrorDetails

from service.vision.attachments import detach
from service.vision.errors import ApiError, invalid
from service.vision.messages import Message, Strict

_LONGEST_PATH = 200
"""Of the path to a fault: a field that is not supported may have a name of megabytes."""
_MOST_BRACES = 50_000
"""Each part of a message has one. More are no question for any model, and 700,000 would hold Python's lock for 3 s."""

_NEUTRAL: dict[str, tuple[object, ...]] = {
    "frequency_penalty": (0,),
    "logprobs": (False,),
    "parallel_tool_calls": (True, False),
    "presence_penalty": (0,),
    "response_format": ({"type": "text"},),
    "store": (False,),
    "tool_choice": ("none",),
    "tools": ([],),
}
"""Fields of OpenAI's API that no engine here honours, with the values that, like null, ask for nothing."""


class StreamOptions(Strict):
    """Of a streamed answer."""

    include_usage: bool = Field(False, description="One more chunk at the end that tells the tokens used.")


class TemplateOptions(Strict):
    """Of the model's chat template."""

    enable_thinking: bool | None = Field(None, description="Refused where the model's template has no such switch.")


class Thinking(Strict):
    """Zhipu's way to say the same, and refused where that is."""

    type: Literal["enabled", "disabled"]


def _as_list(stop: Any) -> Any:
    return [stop] if isinstance(stop, str) else stop


Stop = Annotated[str, Field(min_length=1, max_length=256)]
Stops = Annotated[list[Stop], BeforeValidator(_as_list, json_schema_input_type=Stop | list[Stop]), Field(max_length=4)]


def _describe_neutral(schema: dict[str, Any]) -> None:
    for name, values in _NEUTRAL.items():
        schema["properties"][name] = {"enum": [*values, None], "description": "Not supported; these ask for nothing."}


class ChatRequest(Strict):
    """One question with its conversation."""

    model_config = ConfigDict(json_schema_extra=_describe_neutral)

    model: str = Field(max_length=256)
    messages: list[Message] = Field(min_length=1, max_length=1000)
    max_completion_tokens: int | None = Field(None, ge=1, lt=2**31)
    max_tokens: int | None = Field(None, ge=1, lt=2**31, description="The old name of max_completion_tokens.")
    temperature: float | None = Field(None, ge=0, le=2, description="0 takes the likeliest token.")
    top_p: float | None = Field(None, gt=0, le=1)
    top_k: int | None = Field(None, ge=-1, le=1_000_000, description="Extension; 0 and -1 are off.")
    repetition_penalty: float | None = Field(None, gt=0, le=10, description="Extension.")
    stop: Stops | None = None
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    n: int | None = Field(None, ge=1, le=4)
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = Field(None, max_length=512, description="Goes into the audit log, as a keyed digest.")
    chat_template_kwargs: TemplateOptions | None = None
    thinking: Thinking | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_neutral(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if not _asks_for_nothing(name, value)}


def parse(body: bytes | bytearray) -> ChatRequest:
    """Raises ApiError: 400 with the path of the first fault."""
    rest, attachments = detach(body)
    if rest.count(b"{") > _MOST_BRACES:
        raise invalid(f"messages: more than {_MOST_BRACES} braces, expected fewer parts or a shorter text", "messages")
    if attachments:
        with contextlib.suppress(ValidationError):
            asked = ChatRequest.model_validate_json(rest, context=attachments)
            if not attachments:  # Each was where a picture should be.
                return asked
    try:
        return ChatRequest.model_validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        raise _refusal(fault["type"], fault["loc"], _without_input(fault)) from None


def _asks_for_nothing(name: str, value: object) -> bool:
    if name not in _NEUTRAL:
        return False
    return value is None or any(
        value == one and isinstance(value, bool) == isinstance(one, bool) for one in _NEUTRAL[name]
    )


def _refusal(kind: str, location: tuple[int | str, ...], message: str) -> ApiError:
    path = _path(location)[:_LONGEST_PATH] or "body"
    if kind == "json_invalid":
        return ApiError(400, f"the body is not JSON: {message.removeprefix('Invalid JSON: ')}"[:300], "invalid_json")
    if kind == "extra_forbidden":
        return invalid(f"{path}: not supported here", path, "unsupported_parameter")
    if kind == "missing":
        return invalid(f"{path}: missing", path, "missing_parameter")
    return invalid(f"{path}: {message[:300]}", path)


def _without_input(fault: ErrorDetails) -> str:
    """The message; pydantic would quote what stands where the kind of a message or of a part should."""
    if fault["type"] == "union_tag_invalid":
        return f"unknown {fault['ctx']['discriminator']}, expected one of {fault['ctx']['expected_tags']}"
    return fault["msg"]


def _path(location: tuple[int | str, ...]) -> str:
    """messages[0].content[1].image_url, without the names that pydantic puts in for the kind of message and of part."""
    kinds = {2} if location[:1] == ("messages",) else set()
    kinds |= {5} if location[2:3] == ("user",) else set()
    names = [name for index, name in enumerate(location) if index not in kinds]
    return "".join(f"[{name}]" if isinstance(name, int) else f".{name}" for name in names).removeprefix(".")
