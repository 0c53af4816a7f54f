"""Many answers at once: each is what it would be alone, whoever joins or leaves meanwhile."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.vision.conversation import Job, Sampling
from service.vision.engine.decoder import Decoder
from service.vision.engine.prompt import Prompt
from service.vision.engine.protocol import EngineBusy, Generation
from service.vision.engine.transformers import TransformersEngine
from tests.service.vision.conftest import choices
from tests.service.vision.engine.asking import Said, alone, asked, job, said, together, until


@pytest.fixture
def go_on(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Cleared, it keeps what is read next from being read to its end."""
    go_on, read = threading.Event(), Decoder.read

    def held(decoder: Decoder, prompts: Sequence[Prompt], *rest: Any) -> torch.Tensor:
        assert go_on.wait(20)
        return read(decoder, prompts, *rest)

    go_on.set()
    monkeypatch.setattr(Decoder, "read", held)
    return go_on


@pytest.mark.long
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(asked, min_size=2, max_size=8))
def test_every_answer_is_what_it_is_alone(real: TransformersEngine, requests: list[tuple[Any, ...]]) -> None:
    """Mixed pictures and texts, greedy and seeded, joining late and leaving early, more of them than rows."""
    assert asyncio.run(together(real, requests)) == asyncio.run(alone(real, requests))


async def held_up(engine: TransformersEngine, one: Job, go_on: threading.Event) -> Generation:
    """A job that is being read, and not one that waits: what comes now stays in the queue."""
    go_on.clear()
    began = await engine.submit(one)
    await until(lambda: not engine._ready.worker._waiting_tokens.taken)
    return began


def test_rows_are_really_together(
    real: TransformersEngine, go_on: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    step = Decoder.step

    def counted(decoder: Decoder, tokens: list[int], *where: list[int]) -> torch.Tensor:
        seen.append(len(tokens))
        return step(decoder, tokens, *where)

    monkeypatch.setattr(Decoder, "step", counted)
    long = Sampling(max_new_tokens=40, temperature=1.0, top_k=50, seed=3)
    jobs = [job(real, replace(long, seed=n), ((60, 40),), "a") for n in range(4)]

    async def all_at_once() -> None:
        await held_up(real, jobs[0], go_on)
        others = [asyncio.create_task(said(real, one)) for one in jobs[1:]]
        await until(lambda: real.load().waiting >= 3)
        go_on.set()
        await asyncio.gather(*others)

    asyncio.run(all_at_once())
    assert max(seen) == 4


def test_who_asks_little_does_not_wait_behind_who_asks_much(real: TransformersEngine, go_on: threading.Event) -> None:
    """Twelve jobs of one principal came first; the other's single one is served with the next all the same."""
    order: list[str] = []
    short = job(real, Sampling(max_new_tokens=20, temperature=1.0, seed=1), (), "a")

    async def one(principal: str) -> None:
        async for events in await real.submit(replace(short, principal=principal)):
            if events[0].tokens == 1:
                order.append(principal)

    async def crowd() -> None:
        await held_up(real, replace(short, principal="many"), go_on)
        everyone = [asyncio.create_task(one("many")) for _ in range(12)]
        await until(lambda: real.load().waiting >= 12)
        everyone.append(asyncio.create_task(one("few")))
        await until(lambda: real.load().waiting >= 13)
        go_on.set()
        await asyncio.gather(*everyone)

    before = real.load()
    asyncio.run(crowd())
    assert real.load().began - before.began == 14
    assert real.load().waited > before.waited
    assert order.index("few") <= 3, order
    assert order.count("many") == 12


def test_a_picture_is_read_once_for_each_who_shows_it(real: TransformersEngine) -> None:
    def ask(principal: str) -> None:
        asyncio.run(said(real, replace(job(real, Sampling(max_new_tokens=1), ((77, 33),), "a"), principal=principal)))

    before = real.load()
    for principal in ("alice", "alice", "bob", "alice"):
        ask(principal)
    after = real.load()
    assert after.pictures - before.pictures == 4
    assert after.pictures_known - before.pictures_known == 2, "bob is not told by the time it took that alice asked"


def test_too_many_tokens_do_not_wait_and_nobody_takes_the_queue_for_itself(
    checkpoint: Path, go_on: threading.Event
) -> None:
    engine = TransformersEngine(replace(choices(checkpoint), batch=1, queue_tokens=600))
    one = job(engine, Sampling(max_new_tokens=2), (), "a" * 20)

    async def piled_up(principal: str, refused: str) -> list[Generation]:
        taken: list[Generation] = []

        async def more() -> None:
            while True:
                taken.append(await engine.submit(replace(one, principal=principal)))

        with pytest.raises(EngineBusy, match=refused):
            await more()
        return taken

    async def whole() -> None:
        await engine.start()
        length = (began := await held_up(engine, one, go_on)).prompt_tokens
        alice = await piled_up("alice", "of your prompt tokens are waiting, and your share has no room")
        assert len(alice) == 600 * 4 // 5 // length
        bob = await piled_up("bob", "tokens are waiting")
        assert bob
        go_on.set()
        for each in (began, *alice, *bob):
            async for _ in each:
                pass
        await held_up(engine, one, go_on)
        assert len(await piled_up("alice", "your share")) == len(alice), "all was given back"
        go_on.set()
        await engine.stop()

    asyncio.run(whole())


def test_a_prompt_that_is_longer_than_the_queue_waits_alone(checkpoint: Path, go_on: threading.Event) -> None:
    engine = TransformersEngine(replace(choices(checkpoint), batch=1, queue_tokens=50))
    one = job(engine, Sampling(max_new_tokens=2), (), "a" * 60)

    async def whole() -> None:
        await engine.start()
        began = await held_up(engine, one, go_on)
        assert began.prompt_tokens > 50
        waiting = await engine.submit(replace(one, principal="alice"))
        for principal in ("alice", "bob"):
            with pytest.raises(EngineBusy, match="expected at most 50"):
                await engine.submit(replace(one, principal=principal))
        go_on.set()
        async for _ in waiting:
            pass
        assert (await said(engine, replace(one, principal="bob")))[2] <= 2
        await engine.stop()

    asyncio.run(whole())


@pytest.mark.long
def test_little_memory_for_keys_and_values_means_waiting_not_failing(checkpoint: Path) -> None:
    engine = TransformersEngine(choices(checkpoint))

    async def crowd() -> tuple[list[Said], int]:
        await engine.start()
        slots = engine._ready.decoder.slots
        slots.tokens = 256
        jobs = [job(engine, Sampling(max_new_tokens=64, temperature=1.0, seed=n), ((60, 40),), "a") for n in range(6)]
        tasks = [asyncio.create_task(said(engine, one)) for one in jobs]
        most = 0
        while not all(task.done() for task in tasks):
            most = max(most, engine.load().running)
            await asyncio.sleep(0.001)
        alone = [await said(engine, one) for one in jobs]
        assert [task.result() for task in tasks] == alone
        await engine.stop()
        return alone, most

    _, most = asyncio.run(crowd())
    assert 1 <= most <= 2


@pytest.mark.parametrize("precision", ["bf16", "fp16", "int8"])
def test_other_precisions_answer_too(checkpoint: Path, precision: str) -> None:
    """Not the same tokens to the last: batch and solo may differ there by rounding."""
    engine = TransformersEngine(replace(choices(checkpoint), precision=precision))

    async def once() -> list[Said]:
        await engine.start()
        jobs = [job(engine, Sampling(max_new_tokens=8, temperature=0.0), ((60, 40),), "a" * (n + 1)) for n in range(3)]
        made = list(await asyncio.gather(*(said(engine, one) for one in jobs)))
        await engine.stop()
        return made

    assert all(1 <= tokens <= 8 for _, _, tokens in asyncio.run(once()))
