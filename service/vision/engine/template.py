"""The checkpoint's chat template, rendered in a sandbox; what users wrote stays marked off from what it writes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import TemplateError, meta
from jinja2.ext import loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

from service.vision.conversation import Job, Picture, Turn
from service.vision.engine.checkpoint import read_json
from service.vision.engine.protocol import EngineUnusable, JobRefused
from service.vision.engine.stand_ins import StandIns

_SWITCH = "enable_thinking"


class Template:
    """Renders a job into spans: (text, whether a user wrote it).

    The template never sees a text, only its stand-in. So the spans are those of the library's rendering but for what a
    template does within a text: where one takes an answer apart at a literal `</think>`, here all of it stays, as text.
    """

    def __init__(self, path: Path) -> None:
        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols])
        environment.globals["raise_exception"] = _raise
        environment.filters["tojson"] = lambda value, **options: json.dumps(value, ensure_ascii=False, **options)
        self._source = _source(path)
        try:
            self._template = environment.from_string(self._source)
            self._switches = _SWITCH in meta.find_undeclared_variables(environment.parse(self._source))
        except TemplateError as error:
            raise EngineUnusable(
                f"the chat template in {path} is broken: {error}; next: casemate release verify"
            ) from error

    def render(self, job: Job) -> list[tuple[str, bool]]:
        """Raises JobRefused if the template does not take such a conversation, or has no switch for thinking."""
        if job.thinking is not None and not self._switches:
            message = "the model's chat template has no switch for thinking; next: leave it out"
            raise JobRefused(message, "unsupported_parameter", "thinking")
        thinking = {} if job.thinking is None else {_SWITCH: job.thinking}
        stand_ins = StandIns([self._source, *(text for turn in job.turns for text in turn.texts)])
        messages = [_message(turn, stand_ins.put) for turn in job.turns]
        try:
            rendered = self._template.render(messages=messages, add_generation_prompt=True, **thinking)
        except TemplateError as error:
            message = "messages: the model's chat template does not take them"
            raise JobRefused(message, "invalid_value", "messages") from error
        return stand_ins.spans(rendered)


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


def _message(turn: Turn, put: Callable[[str], str]) -> dict[str, Any]:
    if turn.role == "user":
        parts = [
            {"type": "image"} if isinstance(part, Picture) else {"type": "text", "text": put(part)}
            for part in turn.parts
        ]
        return {"role": "user", "content": parts}
    # A template strips the blanks around an answer, and cannot do it through a stand-in.
    content = "".join(part for part in turn.parts if isinstance(part, str))
    message = {"role": turn.role, "content": put(content.strip() if turn.role == "assistant" else content)}
    return {**message, "reasoning_content": put(turn.reasoning.strip())} if turn.reasoning else message


def _raise(message: str) -> NoReturn:
    raise TemplateError(message)
