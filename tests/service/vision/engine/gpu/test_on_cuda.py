"""What only a GPU shows: run on a machine that has one, left out elsewhere."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from service.vision.conversation import Job, Picture, Sampling, Turn
from service.vision.engine.protocol import JobFailed
from service.vision.engine.transformers import TransformersEngine
from tests.service.vision.conftest import choices
from tests.service.vision.engine.asking import Said, alone, asked, job, said, together

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
MICRO = Path(__file__).resolve().parents[5] / "service" / "micro"


def started(checkpoint: Path, precision: str = "fp32", **more: Any) -> TransformersEngine:
    engine = TransformersEngine(replace(choices(checkpoint), device="cuda", precision=precision, **more))
    asyncio.run(engine.start())
    assert engine._ready.decoder._step, "the library's operations would be what is tested"
    return engine


@pytest.fixture(scope="module")
def on_cuda(checkpoint: Path) -> Iterator[TransformersEngine]:
    engine = started(checkpoint)
    yield engine
    asyncio.run(engine.stop())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(asked, min_size=2, max_size=8))
def test_every_answer_is_what_it_is_alone(on_cuda: TransformersEngine, requests: list[tuple[Any, ...]]) -> None:
    assert asyncio.run(together(on_cuda, requests)) == asyncio.run(alone(on_cuda, requests))


def test_a_recorded_step_says_what_one_that_is_not_says(
    on_cuda: TransformersEngine, real: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does the GPU say anything else than the CPU does."""
    wishes = [Sampling(max_new_tokens=30, temperature=0.0), Sampling(max_new_tokens=30, temperature=1.0, seed=5)]

    def ask(engine: TransformersEngine) -> list[Said]:
        return [asyncio.run(said(engine, job(engine, wish, ((60, 40), (99, 30)), "ab"))) for wish in wishes]

    decoder = on_cuda._ready.decoder
    assert decoder._graphs is not None
    recorded = ask(on_cuda)
    assert decoder._graphs._recorded, "nothing was recorded"
    monkeypatch.setattr(decoder, "_graphs", None)
    assert ask(on_cuda) == recorded == ask(real)


@pytest.mark.parametrize("precision", ["bf16", "fp16", "fp32", "int8"])
def test_the_golden_question_in_every_precision(precision: str) -> None:
    golden = json.loads((MICRO / "golden.json").read_text())
    engine = started(MICRO / "weights", precision)
    picture = Image.open(MICRO / golden["picture"]).convert("RGB")
    shown = Picture.upright(np.array(picture), engine.fit(*picture.size, coarse=False), "")
    one = Job((Turn("user", (shown, golden["question"])),), Sampling(max_new_tokens=64, temperature=0.0), False, "a")
    text, reason, _ = asyncio.run(said(engine, one))
    asyncio.run(engine.stop())
    assert (text.rpartition("</think>")[2].strip(), reason) == (golden["answer"], "stop")


def test_a_full_device_costs_the_request_that_it_was_full_for(on_cuda: TransformersEngine) -> None:
    """Everything is taken from the device, to the last gap; then it is given back."""
    small = job(on_cuda, Sampling(max_new_tokens=4, temperature=0.0), ((60, 40),), "a")
    before = asyncio.run(said(on_cuda, small))
    torch.cuda.empty_cache()
    held = []
    for size in (1 << 30, 1 << 26, 1 << 22, 1 << 20, 1 << 16, 1 << 12, 1 << 9):
        with contextlib.suppress(torch.OutOfMemoryError):
            while True:
                held.append(torch.empty(size, dtype=torch.uint8, device="cuda"))
    with pytest.raises(JobFailed) as failure:
        asyncio.run(said(on_cuda, job(on_cuda, Sampling(max_new_tokens=4), ((61, 41),), "b")))
    held.clear()
    torch.cuda.empty_cache()
    assert failure.value.code == "out_of_memory"
    assert asyncio.run(said(on_cuda, small)) == before
