"""Asking an engine, without a service around it."""

import hashlib
from collections.abc import Sequence

import numpy as np
from PIL import Image

from service.vision.conversation import Job, Picture, Sampling, Turn
from service.vision.engine.protocol import Done, Engine

Said = tuple[str, str, int]


def job(engine: Engine, sampling: Sampling, sizes: Sequence[tuple[int, int]], text: str) -> Job:
    pictures = []
    for width, height in sizes:
        noise = np.random.default_rng(width * 1000 + height).integers(0, 255, (height, width, 3), np.uint8)
        fitted = Image.fromarray(noise).resize(engine.fit(width, height, coarse=False))
        pictures.append(Picture(fitted, hashlib.sha256(noise.tobytes()).hexdigest(), width, height))
    return Job((Turn("user", (*pictures, text)),), sampling, False, text[:1])


async def said(engine: Engine, one: Job, leave: int | None = None, progress: list[int] | None = None) -> Said:
    """Text, reason and tokens; one that is left early ends in "left"."""
    text, generation = "", await engine.submit(one)
    async for event in generation:
        if isinstance(event, Done):
            return text, event.reason, event.tokens
        text += event.text
        if event.tokens == leave:
            generation.cancel()
            return text, "left", event.tokens
    raise AssertionError("an answer has an end")
