"""The micro model behind the whole service: a right answer, not only plumbing."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.vision.engine.transformers import TransformersEngine
from tests.service.vision.conftest import choices
from tests.service.vision.running import Running, part, user

MICRO = Path(__file__).resolve().parents[3] / "service" / "micro"


@pytest.fixture(scope="module")
def micro(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    engine = TransformersEngine(choices(MICRO / "weights"))
    running = Running(tmp_path_factory.mktemp("micro"), engine).start()
    yield running
    running.stop()


@pytest.mark.parametrize("thinking", ["enabled", "disabled"])
def test_the_golden_question(micro: Running, thinking: str) -> None:
    golden = json.loads((MICRO / "golden.json").read_text())
    picture = (MICRO / golden["picture"]).read_bytes()
    while micro.client.get("/readyz").status_code != 200:
        assert micro.serving.failure is None
    answer = micro.ask(messages=[user(part(picture), golden["question"])], temperature=0, thinking={"type": thinking})
    (choice,) = answer.json()["choices"]
    assert choice["message"]["content"] == golden["answer"]
    assert choice["finish_reason"] == "stop"
    assert ("reasoning_content" in choice["message"]) is (thinking == "enabled")
