"""The engine in this process, with a tiny model."""

import asyncio
import gc
import hashlib
import json
import shutil
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
import torch
from transformers import Glm46VForConditionalGeneration

from service.vision.conversation import Job, Picture, Sampling, Turn
from service.vision.engine.decoder import Decoder
from service.vision.engine.order import Order
from service.vision.engine.protocol import Done, EngineUnusable, JobFailed, JobRefused, Text
from service.vision.engine.row import Row
from service.vision.engine.transformers import TransformersEngine
from tests.service.vision import tiny
from tests.service.vision.conftest import choices
from tests.service.vision.running import until

T = TypeVar("T")
Sizes = tuple[tuple[int, int], ...]
GREEDY = Sampling(max_new_tokens=24, temperature=0.0)


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def picture(engine: TransformersEngine, width: int, height: int) -> Picture:
    noise = np.random.default_rng(width).integers(0, 255, (height, width, 3), np.uint8)
    return Picture.upright(noise, engine.fit(width, height, coarse=False), hashlib.sha256(noise.tobytes()).hexdigest())


def job(engine: TransformersEngine, sampling: Sampling = GREEDY, sizes: Sizes = ((60, 40),)) -> Job:
    return Job((Turn("user", (*(picture(engine, *size) for size in sizes), "What is it?")),), sampling, False)


async def answer(engine: TransformersEngine, asked: Job) -> tuple[str, Done]:
    events = [event async for some in await engine.submit(asked) for event in some]
    done = events[-1]
    assert isinstance(done, Done)
    return "".join(event.text for event in events if isinstance(event, Text)), done


def generated(engine: TransformersEngine, path: Path, asked: Job) -> str:
    """What `model.generate` of the library makes of the same prompt."""
    model = Glm46VForConditionalGeneration.from_pretrained(path).eval()
    prompt = engine._ready.prompter.write(asked)
    pictures = {}
    if prompt.pictures:
        pictures["pixel_values"] = engine._ready.prompter.shades.of(
            torch.cat([seen.pixels for seen in prompt.pictures])
        )
        pictures["image_grid_thw"] = torch.tensor([seen.grid for seen in prompt.pictures])
    kinds = torch.zeros((1, prompt.length), dtype=torch.long)
    kinds[0, prompt.places] = 1
    ids = model.generate(prompt.ids[None], mm_token_type_ids=kinds, max_new_tokens=24, do_sample=False, **pictures)[
        0, prompt.length :
    ].tolist()
    speech = engine._ready.worker._words.speech()
    stops = engine._ready.defaults.stops
    return "".join(speech.say(number) for number in ids if number not in stops)


@pytest.mark.parametrize("sizes", [(), ((60, 40),), ((200, 30), (16, 16), (99, 300))])
def test_greedy_answers_are_those_of_generate(real: TransformersEngine, checkpoint: Path, sizes: Sizes) -> None:
    asked = job(real, sizes=sizes)
    run(answer(real, job(real)))  # A picture of another size before: nothing of it may stay behind.
    text, done = run(answer(real, asked))
    assert text == generated(real, checkpoint, asked)
    assert len(text) > 3
    assert done.tokens <= 24


def test_seeds(real: TransformersEngine) -> None:
    asked = job(real, Sampling(max_new_tokens=16, temperature=1.0, seed=4))
    assert run(answer(real, asked)) == run(answer(real, asked))
    other = Job(asked.turns, Sampling(max_new_tokens=16, temperature=1.0, seed=5), False)
    assert run(answer(real, asked)) != run(answer(real, other))


def test_lengths(real: TransformersEngine) -> None:
    assert run(answer(real, job(real, Sampling(max_new_tokens=1, temperature=0.0))))[1] == Done("length", 1)
    with pytest.raises(JobRefused) as refused:
        run(answer(real, job(real, Sampling(max_new_tokens=500))))
    assert refused.value.param == "max_completion_tokens"


def test_many_at_once_are_answered_as_one_by_one(real: TransformersEngine) -> None:
    asked = [job(real, Sampling(max_new_tokens=8, temperature=1.0, seed=n), ((20 + 30 * n, 40),)) for n in range(5)]

    async def together() -> list[tuple[str, Done]]:
        return await asyncio.gather(*(answer(real, one) for one in asked))

    assert run(together()) == [run(answer(real, one)) for one in asked]


def test_a_cancelled_job_stops_within_a_step_and_the_next_one_goes_on(
    real: TransformersEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    step = Decoder.step

    def counted(decoder: Decoder, tokens: list[int], *where: list[int]) -> torch.Tensor:
        steps.append(len(tokens))
        return step(decoder, tokens, *where)

    monkeypatch.setattr(Decoder, "step", counted)

    async def leave() -> str:
        generation = await real.submit(job(real, Sampling(max_new_tokens=400, temperature=2.0, seed=1)))
        async for _ in generation:
            generation.cancel()
            break
        seen = sum(steps)
        text, _ = await answer(real, job(real))
        assert sum(steps) - seen <= 1 + GREEDY.max_new_tokens  # type: ignore[operator]
        return text

    assert run(leave()) == run(answer(real, job(real)))[0]


@pytest.mark.long
def test_nothing_of_a_job_stays_behind(real: TransformersEngine) -> None:
    async def leave() -> None:
        for n in range(10):
            generation = await real.submit(job(real))
            if n % 2:
                generation.cancel()
            else:
                async for _ in generation:
                    pass

    run(leave())
    run(answer(real, job(real)))

    def left() -> list[object]:
        gc.collect()
        return [one for one in gc.get_objects() if type(one) in (Row, Order)]

    # The last answer is out a moment before the engine's thread lets go of it.
    until(lambda: not left())


@pytest.mark.parametrize(
    ("fault", "code"), [(torch.OutOfMemoryError("CUDA"), "out_of_memory"), (ValueError("secret"), "engine_failed")]
)
def test_a_job_that_fails_does_not_take_the_next_one_with_it(
    real: TransformersEngine,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: Exception,
    code: str,
) -> None:
    def fail(*_: object) -> None:
        raise fault

    with monkeypatch.context() as patched:
        patched.setattr(Decoder, "step", fail)
        with pytest.raises(JobFailed) as failed:
            run(answer(real, job(real)))
    assert (failed.value.code, failed.value.again) == (code, False)
    assert "secret" not in capsys.readouterr().err
    assert len(run(answer(real, job(real)))[0]) > 3
    assert real.health().state == "ready"


def test_the_older_family_loads_too(tmp_path: Path) -> None:
    engine = TransformersEngine(choices(tiny.write(tmp_path, "Glm4v")))

    async def once() -> Done:
        await engine.start()
        done = (await answer(engine, job(engine)))[1]
        await engine.stop()
        return done

    assert run(once()).tokens > 0


def test_after_stop_jobs_fail_at_once(checkpoint: Path) -> None:
    engine = TransformersEngine(choices(checkpoint))

    async def stopped() -> None:
        await engine.start()
        running = await engine.submit(job(engine, Sampling(max_new_tokens=400, temperature=1.0, seed=1)))
        waiting = await engine.submit(job(engine))
        await engine.stop()
        for generation in (running, waiting, await engine.submit(job(engine))):
            with pytest.raises(JobFailed, match="stopping"):
                async for _ in generation:
                    pass

    run(stopped())
    assert engine.health().state in ("stopping", "failed")


def test_a_model_that_does_not_fit_its_weights_is_told(checkpoint: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "model")
    config = json.loads((copy / "config.json").read_text())
    config["text_config"]["num_hidden_layers"] = 3
    (copy / "config.json").write_text(json.dumps(config))
    with pytest.raises(EngineUnusable, match="no fitting weights for"):
        run(TransformersEngine(choices(copy)).start())


def test_without_a_gpu_cuda_is_refused(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EngineUnusable, match="there is no CUDA device; next:"):
        run(TransformersEngine(replace(choices(checkpoint), device="cuda")).start())
