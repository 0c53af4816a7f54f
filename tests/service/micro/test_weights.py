"""The stored model is what its sums say, and answers; all 2,400 questions are asked by `service.micro.evaluate`."""

import json
from typing import Any

import pytest
from PIL import Image

from service.micro.draw import paint
from service.micro.evaluate import evaluate
from service.micro.load import WEIGHTS, answer, load
from service.micro.samples import GOLDEN, HERE, SAMPLES
from service.micro.store import SUMS, sums


@pytest.fixture(scope="module")
def model() -> tuple[Any, Any]:
    return load()


def test_the_files_are_those_of_the_sums() -> None:
    lines = [line.split("  ") for line in (WEIGHTS / SUMS).read_text().splitlines()]
    assert {name: digest for digest, name in lines} == sums(WEIGHTS)


def test_the_card_names_the_weights() -> None:
    assert sums(WEIGHTS)["model.safetensors"] in (WEIGHTS / "README.md").read_text()


def test_the_weights_are_small() -> None:
    assert (WEIGHTS / "model.safetensors").stat().st_size <= 10_000_000


@pytest.mark.long
def test_fresh_questions_are_answered() -> None:
    wrong = [(question, said) for question, said in evaluate(64) if said != question.answer]
    assert len(wrong) <= 3, wrong


def test_the_golden_picture_is_drawn_here() -> None:
    assert Image.open(HERE / "golden.png").tobytes() == paint(GOLDEN).tobytes()


@pytest.mark.parametrize("name", SAMPLES)
def test_a_sample_is_answered(name: str, model: tuple[Any, Any]) -> None:
    content = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    picture = Image.open(HERE / content["picture"])
    for asked in [content] if "question" in content else [content["en"], content["zh"]]:
        assert answer(*model, [(picture, asked["question"])]) == [asked["answer"]]


def test_a_thought_ends_before_the_answer(model: tuple[Any, Any]) -> None:
    content = json.loads((HERE / "golden.json").read_text(encoding="utf-8"))
    (said,) = answer(*model, [(Image.open(HERE / content["picture"]), content["question"])], thinking=True)
    thought, _, answered = said.partition("</think>")
    assert thought == "<think>The question is about a colour."
    assert answered.strip() == content["answer"]


@pytest.mark.parametrize("size", [(448, 448), (300, 200), (1000, 1000), (120, 120), (500, 350)])
def test_a_picture_of_any_size_is_answered(size: tuple[int, int], model: tuple[Any, Any]) -> None:
    picture = Image.open(HERE / "demo.png").resize(size)
    assert answer(*model, [(picture, "What colour is the circle?")]) == ["red"]
