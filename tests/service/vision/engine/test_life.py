"""Whether an engine is busy or stuck, and what is said to those who come when it has been told to end."""

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from service.vision.conversation import Job, Sampling, Turn
from service.vision.engine.block import Block
from service.vision.engine.layer import Layer
from service.vision.engine.protocol import JobFailed
from service.vision.engine.separate import SeparateEngine
from service.vision.engine.transformers import TransformersEngine
from tests.service.vision.conftest import choices
from tests.service.vision.engine.asking import job, said


@pytest.mark.parametrize(("part", "width"), [(Layer, 61), (Block, 62)])
def test_each_layer_is_a_sign_of_life(
    real: TransformersEngine, monkeypatch: pytest.MonkeyPatch, part: type[Layer | Block], width: int
) -> None:
    """A long prompt on a slow processor takes many minutes, and is no engine that is stuck."""
    forward, ages = part.forward, list[float]()

    def slow(*what: Any) -> torch.Tensor:
        ages.append(real.health().beat)
        time.sleep(0.3)
        return forward(*what)

    monkeypatch.setattr(part, "forward", slow)
    asyncio.run(said(real, job(real, Sampling(max_new_tokens=1), ((width, 47),), "a")))
    assert len(ages) > 1
    assert max(ages) < 0.3


def test_a_job_that_comes_after_the_end_is_told_so(tmp_path: Path) -> None:
    engine = SeparateEngine(choices(tmp_path))

    async def late() -> None:
        await engine.stop()
        await engine.submit(Job((Turn("user", ("abc",)),)))

    with pytest.raises(JobFailed, match="the service is stopping") as failed:
        asyncio.run(late())
    assert (failed.value.code, failed.value.again) == ("stopping", True)
