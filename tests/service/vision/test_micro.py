"""The micro model behind the whole service: a right answer, not only plumbing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.vision.engine.transformers import TransformersEngine
from tests.service.vision.conftest import choices
from tests.service.vision.running import Running, part, user
from tests.service.vision.test_metrics import figures

MICRO = Path(__file__).resolve().parents[3] / "service" / "micro"


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    engine = TransformersEngine(choices(MICRO / "weights"))
    running = Running(tmp_path_factory.mktemp("micro"), engine).start()
    yield running
    running.stop()


def ask(micro: Running, **more: Any) -> Any:
    """The golden question, when it is ready."""
    golden = json.loads((MICRO / "golden.json").read_text())
    picture = (MICRO / golden["picture"]).read_bytes()
    while micro.client.get("/readyz").status_code != 200:
        assert micro.serving.failure is None
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
