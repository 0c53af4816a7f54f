"""The micro model behind the whole service: a right answer, not only plumbing."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

from service.vision.engine.transformers import TransformersEngine
from tests.service.vision.conftest import choices
from tests.service.vision.running import IDENTITY, Running, part, user
from tests.service.vision.test_metrics import figures

MICRO = Path(__file__).resolve().parents[3] / "service" / "micro"


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    engine = TransformersEngine(choices(MICRO / "weights"))
    running = Running(tmp_path_factory.mktemp("micro"), engine).start()
    while running.client.get("/readyz").status_code != 200:
        assert running.serving.failure is None
    yield running
    running.stop()


def ask(micro: Running, **more: Any) -> Any:
    """The golden question."""
    golden = json.loads((MICRO / "golden.json").read_text())
    picture = (MICRO / golden["picture"]).read_bytes()
    return micro.ask(messages=[user(part(picture), golden["question"])], temperature=0, **more)


@pytest.mark.parametrize("thinking", ["enabled", "disabled"])
def test_the_golden_question(micro: Running, thinking: str) -> None:
    golden = json.loads((MICRO / "golden.json").read_text())
    answer = ask(micro, thinking={"type": thinking})
    (choice,) = answer.json()["choices"]
    assert choice["message"]["content"] == golden["answer"]
    assert choice["finish_reason"] == "stop"
    assert ("reasoning_content" in choice["message"]) is (thinking == "enabled")


def test_a_real_engine_tells_prometheus_what_it_does(micro: Running) -> None:
    ask(micro)
    before = figures(micro)
    answer = ask(micro)
    while (after := figures(micro))["num_requests_running"]:  # The row leaves a moment after its last word.
        pass
    grown = {name: after[name] - before[name] for name in after if name.endswith("_total")}
    assert grown["generation_tokens_total"] == answer.json()["usage"]["completion_tokens"]
    assert grown["prompt_tokens_total"] == answer.json()["usage"]["prompt_tokens"]
    assert grown["mm_cache_queries_total"] == grown["mm_cache_hits_total"] == 1, "the same picture again"
    assert after["kv_cache_usage_perc"] == after["num_requests_running"] == 0
    assert after["ready"] == 1


def test_the_golden_question_by_the_official_client(micro: Running) -> None:
    golden = json.loads((MICRO / "golden.json").read_text())
    messages: Any = [user(part((MICRO / golden["picture"]).read_bytes()), golden["question"])]
    http = httpx2.Client(transport=httpx2.HTTPTransport(uds=str(micro.configuration.socket)), headers=IDENTITY)
    with openai.OpenAI(base_url="http://vision/v1", api_key="x", http_client=http) as official:
        stream = official.chat.completions.create(model="glm-4v", messages=messages, temperature=0, stream=True)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == golden["answer"]


@pytest.mark.parametrize("token", ["<|image|>", "<|assistant|>", "</think>", "<|begin_of_image|>", "[gMASK]<sop>"])
def test_a_special_token_that_a_user_types_is_text(micro: Running, token: str) -> None:
    """It costs several tokens; as what it is called it would cost one, or a picture that is not there."""

    def cost(text: str) -> int:
        answer = micro.ask(messages=[user(part(), text)], max_tokens=4, temperature=0)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["usage"]["prompt_tokens"])

    assert cost(f"a {token} b") - cost("a  b") > 1


def test_a_text_of_100_000_tokens_is_too_long(micro: Running) -> None:
    for text in ("red " * 100_000, "红" * 100_000, "x" * 5_000_000):
        began = time.monotonic()
        answer = micro.ask(messages=[user(text)])
        error = answer.json()["error"]
        assert (answer.status_code, error["code"], error["param"]) == (400, "context_length_exceeded", "messages")
        assert time.monotonic() - began < 5
    assert micro.serving.admission.inside == 0


def test_a_stop_string_that_never_comes_stops_nothing(micro: Running) -> None:
    question = [user(part(), "What colour is it?")]
    plain, stopped = (
        micro.ask(messages=question, temperature=0, **more).json() for more in ({}, {"stop": ["\0", "~~"]})
    )
    assert plain["choices"] == stopped["choices"]
    assert plain["choices"][0]["message"]["content"]
