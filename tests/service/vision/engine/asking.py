"""Asking an engine, without a service around it."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from service.vision.conversation import Job, Picture, Sampling, Turn
from service.vision.engine.protocol import Done, Engine

Said = tuple[str, str, int]

samplings = st.builds(
    Sampling,
    max_new_tokens=st.integers(1, 24),
    temperature=st.sampled_from([0.0, 0.0, 0.7, 1.3]),
    top_p=st.sampled_from([1.0, 0.8]),
    top_k=st.sampled_from([0, 5]),
    repetition_penalty=st.sampled_from([1.0, 1.2]),
    seed=st.integers(0, 9),
)
asked = st.tuples(
    samplings,
    st.lists(st.tuples(st.integers(10, 200), st.integers(10, 200)), max_size=3),
    st.text("abc ", min_size=1, max_size=30),
    st.integers(0, 12),  # Steps that others are ahead when it joins.
    st.sampled_from([None, None, 2]),  # It is left after so many tokens.
)
"""A request of any kind."""


def job(engine: Engine, sampling: Sampling, sizes: Sequence[tuple[int, int]], text: str) -> Job:
    pictures = []
    for width, height in sizes:
        noise = np.random.default_rng(width * 1000 + height).integers(0, 255, (height, width, 3), np.uint8)
        size, digest = engine.fit(width, height, coarse=False), hashlib.sha256(noise.tobytes()).hexdigest()
        pictures.append(Picture.upright(noise, size, digest))
    return Job((Turn("user", (*pictures, text)),), sampling, False, text[:1])


async def said(engine: Engine, one: Job, leave: int | None = None, progress: list[int] | None = None) -> Said:
    """Text, reason and tokens; one that is left early ends in "left"."""
    text, generation = "", await engine.submit(one)
    async for events in generation:
        for event in events:
            if isinstance(event, Done):
                return text, event.reason, event.tokens
            text += event.text
            if event.tokens == leave:
                generation.cancel()
                return text, "left", event.tokens
    raise AssertionError("an answer has an end")


async def together(engine: Engine, requests: Sequence[tuple[Any, ...]]) -> list[Said]:
    """Each: what `job` takes, how many steps others are ahead when it joins, after how many tokens it is left."""

    async def late(what: Sequence[Any], behind: int, leave: int | None) -> Said:
        await asyncio.sleep(behind / 1000)  # About a step each.
        return await said(engine, job(engine, *what), leave)

    return await asyncio.gather(*(late(what, behind, leave) for *what, behind, leave in requests))


async def alone(engine: Engine, requests: Sequence[tuple[Any, ...]]) -> list[Said]:
    """The same requests, one after the other."""
    return [await said(engine, job(engine, *what), leave) for *what, _, leave in requests]


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait on the loop that the engine's answers come to."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.001)
