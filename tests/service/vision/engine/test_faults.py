"""What goes wrong with one answer is that one's alone."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from service.vision.conversation import Sampling
from service.vision.engine.decoder import Decoder
from service.vision.engine.prompt import Prompt
from service.vision.engine.protocol import JobFailed
from service.vision.engine.transformers import TransformersEngine
from tests.service.vision.engine.asking import Said, job, said


def test_out_of_memory_in_a_step_costs_the_latest_row_alone(
    real: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, failing = Decoder.step, [True]

    def once(decoder: Decoder, tokens: list[int], *where: list[int]) -> torch.Tensor:
        if len(tokens) == 3 and failing:
            failing.pop()
            raise torch.OutOfMemoryError("CUDA")
        return step(decoder, tokens, *where)

    monkeypatch.setattr(Decoder, "step", once)
    jobs = [job(real, Sampling(max_new_tokens=20, temperature=1.0, seed=n), ((60, 40),), "a") for n in range(3)]

    async def together() -> list[Said | BaseException]:
        return await asyncio.gather(*(said(real, one) for one in jobs), return_exceptions=True)

    outcomes = asyncio.run(together())
    failed = [one for one in outcomes if isinstance(one, JobFailed)]
    assert [one.code for one in failed] == ["out_of_memory"]
    alone = [asyncio.run(said(real, one)) for one in jobs]
    assert sum(one == by_itself for one, by_itself in zip(outcomes, alone, strict=True)) == 2


def test_a_prompt_that_cannot_be_read_fails_alone(real: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    read = Decoder.read

    def picky(decoder: Decoder, prompts: Sequence[Prompt], *rest: Any) -> torch.Tensor:
        if any(len(prompt.pictures) == 2 for prompt in prompts):
            raise ValueError("two pictures")
        return read(decoder, prompts, *rest)

    monkeypatch.setattr(Decoder, "read", picky)
    plain = [job(real, Sampling(max_new_tokens=9, temperature=1.0, seed=n), ((50, 50),), "a") for n in range(2)]
    bad = job(real, Sampling(max_new_tokens=9), ((50, 50), (40, 40)), "a")

    async def together() -> list[Said | BaseException]:
        return await asyncio.gather(*(said(real, one) for one in (*plain, bad)), return_exceptions=True)

    *good, failed = asyncio.run(together())
    assert isinstance(failed, JobFailed)
    assert failed.code == "engine_failed"
    assert good == [asyncio.run(said(real, one)) for one in plain]


def test_numbers_that_are_none_fail_their_row_alone(real: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    step, steps = Decoder.step, [0]

    def broken(decoder: Decoder, tokens: list[int], *where: list[int]) -> torch.Tensor:
        logits = step(decoder, tokens, *where)
        steps[0] += 1
        if steps[0] == 3:
            logits[0] = torch.nan
            decoder.slots._kept[0][0, :, :4] = torch.nan
        return logits

    monkeypatch.setattr(Decoder, "step", broken)
    jobs = [job(real, Sampling(max_new_tokens=20, temperature=1.0, seed=n), ((60, 40),), "a") for n in range(3)]

    async def together() -> list[Said | BaseException]:
        return await asyncio.gather(*(said(real, one) for one in jobs), return_exceptions=True)

    outcomes = asyncio.run(together())
    assert sum(isinstance(one, JobFailed) for one in outcomes) == 1
    monkeypatch.undo()
    again = asyncio.run(together())
    assert sum(one == before for one, before in zip(again, outcomes, strict=True)) == 2
    assert not any(isinstance(one, BaseException) for one in again), "and nothing of it stays in the place it had"
