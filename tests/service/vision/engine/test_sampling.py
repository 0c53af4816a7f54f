"""Choosing tokens."""

import json
from collections import Counter
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from service.vision.conversation import Sampling
from service.vision.engine.sampling import Choice, Defaults, choose

LOGITS = torch.tensor([2.0, 1.0, 0.5, -1.0, -3.0, 1.5, 0.0, -0.5])
PROMPT = torch.tensor([0, 3, 3])


def one(choice: Choice, logits: torch.Tensor = LOGITS) -> int | None:
    return choose(logits[None].clone(), [choice])[0]


def drawn(options: dict[str, float], count: int = 4000) -> dict[int, float]:
    choice = Choice(Sampling(**{"temperature": 1.0, "seed": 1, **options}), PROMPT)  # type: ignore[arg-type]
    found = Counter(one(choice) for _ in range(count))
    return {token: found[token] / count for token in range(len(LOGITS))}


@pytest.mark.long
@pytest.mark.parametrize(
    "options",
    [{}, {"temperature": 0.5}, {"temperature": 2.0}, {"top_k": 3}, {"top_p": 0.7}, {"top_k": 4, "top_p": 0.6}],
)
def test_chances_are_those_of_the_library(options: dict[str, float]) -> None:
    scores = TemperatureLogitsWarper(float(options.get("temperature", 1.0)))(PROMPT[None], LOGITS[None])
    if "top_k" in options:
        scores = TopKLogitsWarper(int(options["top_k"]))(PROMPT[None], scores)
    if "top_p" in options:
        scores = TopPLogitsWarper(options["top_p"])(PROMPT[None], scores)
    expected = scores[0].softmax(-1).tolist()
    found = drawn(options)
    assert all(abs(found[token] - expected[token]) < 0.03 for token in found)
    assert all(found[token] == 0 for token in found if expected[token] == 0)


def test_temperature_nought_takes_the_likeliest() -> None:
    assert one(Choice(Sampling(temperature=0.0), PROMPT)) == 0


def test_the_repetition_penalty_is_the_library_s_and_counts_the_answer_too() -> None:
    choice = Choice(Sampling(temperature=0.0, repetition_penalty=1.9), PROMPT)
    used, found = PROMPT, []
    for _ in range(5):
        expected = int(RepetitionPenaltyLogitsProcessor(1.9)(used[None], LOGITS[None].clone())[0].argmax())
        found.append(one(choice))
        assert found[-1] == expected
        used = torch.cat([used, torch.tensor([expected])])
    assert len(set(found)) > 1


def test_a_seed_is_a_seed_in_any_company() -> None:
    def run(seed: int | None) -> list[int | None]:
        choice = Choice(Sampling(temperature=1.0, seed=seed), PROMPT)
        others = [Choice(Sampling(temperature=1.0, top_k=k), PROMPT) for k in (0, 3)]
        together = LOGITS.repeat(3, 1)
        return [(choose(together.clone(), [*others, choice])[2], torch.rand(1))[0] for _ in range(30)]

    assert run(5) == run(5)
    assert run(5) != run(6)
    assert run(-1) == run(-1)
    assert run(None) != run(None)
    alone = Choice(Sampling(temperature=1.0, seed=5), PROMPT)
    assert run(5) == [one(alone) for _ in range(30)]


@given(
    logits=st.lists(st.lists(st.integers(-4, 4).map(float), min_size=5, max_size=5), min_size=1, max_size=6),
    rules=st.lists(
        st.tuples(st.sampled_from([0.0, 0.5, 1.5]), st.sampled_from([0, 1, 3, 9]), st.sampled_from([0.3, 1.0])),
        min_size=6,
        max_size=6,
    ),
    seed=st.integers(0, 3),
)
def test_no_row_depends_on_its_company(
    logits: list[list[float]], rules: list[tuple[float, int, float]], seed: int
) -> None:
    def choices() -> list[Choice]:
        return [
            Choice(Sampling(temperature=t, top_k=k, top_p=p, seed=seed + row), PROMPT[:1])
            for row, (t, k, p) in enumerate(rules[: len(logits)])
        ]

    # Ties are broken by nothing: among equals every token is as likely.
    rows = torch.tensor(logits) + torch.arange(5) * 0.01
    together = choose(rows.clone(), choices())
    assert together == [one(choice, row) for row, choice in zip(rows, choices(), strict=True)]


@pytest.mark.parametrize("broken", [torch.nan, torch.inf])
def test_a_row_that_is_no_number_is_told_from_the_others(broken: float) -> None:
    rows = LOGITS.repeat(2, 1)
    rows[0, 3] = broken
    assert choose(rows, [Choice(Sampling(temperature=t, seed=1), PROMPT) for t in (1.0, 0.0)]) == [None, 0]


def test_defaults_are_the_checkpoint_s(tmp_path: Path) -> None:
    assert Defaults.read(tmp_path, [1, 2]).stops == {1, 2}
    assert Defaults.read(tmp_path, 7).complete(Sampling()).temperature == 0.0
    given = {
        "do_sample": True,
        "temperature": 0.8,
        "top_p": 0.6,
        "top_k": 2,
        "repetition_penalty": 1.1,
        "eos_token_id": [5],
    }
    (tmp_path / "generation_config.json").write_text(json.dumps(given))
    defaults = Defaults.read(tmp_path, 7)
    assert defaults.stops == {5}
    assert defaults.complete(Sampling(top_k=0, seed=3)) == Sampling(None, 0.8, 0.6, 0, 1.1, 3)
