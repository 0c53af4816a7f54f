"""The checkpoint's chat template, rendered in a sandbox; what users wrote stays marked off from what it writes."""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import TemplateError
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from service.vision.conversation import Job, Picture, Turn
from service.vision.engine.checkpoint import read_json
from service.vision.engine.protocol import EngineUnusable, JobRefused

_PRIVATE = range(0xE000, 0xF8FF)


class Template:
    """Renders a job into spans: (text, whether a user wrote it)."""

    def __init__(self, path: Path) -> None:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.globals["raise_exception"] = _raise
        environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
        try:
            self._template = environment.from_string(_source(path))
        except TemplateError as error:
            raise EngineUnusable(
                f"the chat template in {path} is broken: {error}; next: casemate release verify"
            ) from error

    def render(self, job: Job) -> list[tuple[str, bool]]:
        """Raises JobRefused if the template does not take such a conversation."""
        opening, closing = _marks(job)
        thinking = {} if job.thinking is None else {"enable_thinking": job.thinking}
        messages = [_message(turn, opening, closing) for turn in job.turns]
        try:
            text = self._template.render(messages=messages, add_generation_prompt=True, **thinking)
        except TemplateError as error:
            raise JobRefused(
                "the model's chat template does not take these messages", "messages", "messages"
            ) from error
        spans = re.split(f"{opening}([^{closing}]*){closing}", text)
        return [(span, index % 2 == 1) for index, span in enumerate(spans) if span]


def _source(path: Path) -> str:
    file = path / "chat_template.jinja"
    if file.is_file():
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise EngineUnusable(f"{file} cannot be read: {error}; next: casemate release verify") from error
    source = read_json(path / "tokenizer_config.json").get("chat_template")
    if not isinstance(source, str):
        raise EngineUnusable(f"{path} has no chat_template.jinja; next: add the one that the model was trained with")
    return source


def _marks(job: Job) -> tuple[str, str]:
    """Two characters that occur in none of the texts."""
    used = set().union(*(set(text) for turn in job.turns for text in turn.texts))
    free = list(itertools.islice((chr(point) for point in _PRIVATE if chr(point) not in used), 2))
    if len(free) < 2:
        raise JobRefused("the text uses every private character of Unicode", "messages", "messages")
    return free[0], free[1]


def _message(turn: Turn, opening: str, closing: str) -> dict[str, Any]:
    def marked(text: str) -> str:
        return f"{opening}{text}{closing}" if text else ""

    if turn.role == "user":
        parts = [
            {"type": "image"} if isinstance(part, Picture) else {"type": "text", "text": marked(part)}
            for part in turn.parts
        ]
        return {"role": "user", "content": parts}
    # A template strips the blanks around an answer, and cannot do it through the marks.
    content = "".join(part for part in turn.parts if isinstance(part, str))
    message = {"role": turn.role, "content": marked(content.strip() if turn.role == "assistant" else content)}
    return {**message, "reasoning_content": marked(turn.reasoning.strip())} if turn.reasoning else message


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)
