"""A streamed answer and a whole one are the same, whatever the pieces were and wherever the bytes are cut."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deploy.answer import Answer
from deploy.events import events
from tests.service.vision.running import Running
from tests.service.vision.scripted import ScriptedEngine
from tests.service.vision.test_reply import FRAGMENTS, stops

scripts = st.lists(st.sampled_from((*FRAGMENTS, "三", "🔴", "\u2028", "\r\n", "data: [DONE]\n\n", '"}')), max_size=8)


def streamed(service: Running, size: int, **changes: Any) -> Answer:
    """As `casemate ask` puts it together, from lines that were cut out of pieces of `size` bytes."""
    body = {"model": "micro", "messages": [{"role": "user", "content": "?"}], **changes}
    options = {"stream": True, "stream_options": {"include_usage": True}}
    answer, held, lines = Answer(), b"", []
    with service.client.stream("POST", "/v1/chat/completions", json={**body, **options}) as response:
        for piece in response.iter_bytes(size):
            *whole, held = (held + piece).split(b"\n")
            lines += [line + b"\n" for line in whole]
    *chunks, end = events(lines)
    assert (held, end) == (b"", "[DONE]")
    for chunk in chunks:
        answer.take(json.loads(chunk))
    return answer


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    script=scripts,
    stop=stops,
    reason=st.sampled_from(("stop", "length")),
    first=st.booleans(),
    together=st.integers(1, 4),
    size=st.integers(1, 40),
)
def test_the_same_answer(
    service: Running,
    engine: ScriptedEngine,
    script: list[str],
    stop: list[str],
    reason: str,
    first: bool,
    together: int,
    size: int,
) -> None:
    engine.script, engine.reason, engine.thinks_first, engine.together = script, reason, first, 1
    changes = {"stop": stop} if stop else {}
    whole = service.ask(messages=[{"role": "user", "content": "?"}], **changes).json()
    [choice], message = whole["choices"], whole["choices"][0]["message"]
    engine.together = together
    answer = streamed(service, size, **changes)
    assert (answer.text, answer.finish_reason, answer.usage) == (
        message["content"],
        choice["finish_reason"],
        whole["usage"],
    )
    if "reasoning_content" in message or not answer.reasoning:
        assert answer.reasoning == message.get("reasoning_content", "")
    else:  # It was never closed, so that it was the answer; a stream had shown it as thinking before that was known.
        assert answer.reasoning.replace("<|end_of_box|>", "").lstrip().startswith(answer.text)


def test_an_end_that_the_model_writes_is_text(service: Running, engine: ScriptedEngine) -> None:
    engine.script = ["data: [DONE]\n\n", 'data: {"error": {"message": "x"}}\n\n', ": still here\n\n", "event: x\n"]
    assert streamed(service, 1000).text == "".join(engine.script)  # type: ignore[arg-type]
