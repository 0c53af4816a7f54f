"""The messages of a conversation, in OpenAI's form, as far as a GLM-4V can honour it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator


class Strict(BaseModel):
    """Frozen, without unknown fields, without conversions such as "1" to 1."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class TextPart(Strict):
    """A piece of text."""

    type: Literal["text"]
    text: str


def _attached(url: str, info: ValidationInfo) -> str:
    """What a name stands for is taken from the context: at the end all of them must have been."""
    attached: str = info.context.pop(url, url) if info.context else url
    return attached


class ImageUrl(Strict):
    """A picture as a data URL, which may be an `Attachment`; `detail` low scales it down, high is the same as auto."""

    url: Annotated[str, AfterValidator(_attached)] = Field(
        description="data:image/jpeg;base64,... or png or webp. Nothing is fetched.",
        json_schema_extra={"pattern": "^data:image/(jpeg|jpg|png|webp);base64,"},  # Judged where it gets its own code.
    )
    detail: Literal["auto", "low", "high"] = "auto"


class ImagePart(Strict):
    """A picture."""

    type: Literal["image_url"]
    image_url: ImageUrl


def _as_parts(content: Any) -> Any:
    return [{"type": "text", "text": content}] if isinstance(content, str) else content


Part = Annotated[TextPart | ImagePart, Field(discriminator="type")]
Texts = Annotated[
    list[TextPart], BeforeValidator(_as_parts, json_schema_input_type=str | list[TextPart]), Field(min_length=1)
]
Parts = Annotated[list[Part], BeforeValidator(_as_parts, json_schema_input_type=str | list[Part]), Field(min_length=1)]


_EMPTY = ("annotations", "audio", "function_call", "refusal", "tool_calls")


class SystemMessage(Strict):
    """How the model should behave."""

    role: Literal["system", "developer"]
    content: Texts


class UserMessage(Strict):
    """What is asked, with pictures in their order."""

    role: Literal["user"]
    content: Parts


class AssistantMessage(Strict):
    """An earlier answer, as this API gave it, or as a client's library wrote it down with OpenAI's empty fields."""

    role: Literal["assistant"]
    content: Texts
    reasoning_content: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return {name: value for name, value in data.items() if name not in _EMPTY or value not in (None, [])}


Message = Annotated[SystemMessage | UserMessage | AssistantMessage, Field(discriminator="role")]
