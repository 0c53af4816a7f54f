"""Steps of a few fixed shapes, whatever rows there are: what is recorded is a GPU's own, the shapes are tried here."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import torch

from service.vision.conversation import Sampling
from service.vision.engine.graphs import Graphs, _Recorded
from service.vision.engine.transformers import TransformersEngine
from tests.service.vision.engine.asking import Said, job, said

WISH = Sampling(max_new_tokens=20, temperature=1.0, seed=3)


class Again:
    """A recorded step on a CPU: the same operations on the same tensors."""

    def __init__(self, graphs: Graphs, lined_up: torch.Tensor, span: int) -> None:
        self.graphs, self.lined_up, self.span = graphs, lined_up, span
        self.logits = graphs._take(lined_up, span)

    def replay(self) -> None:
        self.logits.copy_(self.graphs._take(self.lined_up, self.span))


@pytest.fixture
def shapes(real: TransformersEngine, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """Of the steps that were recorded."""
    seen: list[tuple[int, ...]] = []

    def record(self: Graphs, lined_up: torch.Tensor, span: int) -> Any:
        seen.append((*lined_up.shape, span))
        one = Again(self, lined_up, span)
        return _Recorded(one, lined_up, one.logits)

    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    monkeypatch.setattr(Graphs, "_record", record)
    decoder = real._ready.decoder
    monkeypatch.setattr(decoder, "_graphs", Graphs(decoder._taken, decoder.slots, torch.device("cpu")))
    return seen


def test_rows_that_nobody_has_change_nothing(real: TransformersEngine, shapes: list[tuple[int, ...]]) -> None:
    """Three rows are padded to four; they end at other times, and the next ones take over their places."""
    wishes = [replace(WISH, seed=n, max_new_tokens=5 + 9 * n) for n in range(3)]
    jobs = [job(real, wish, ((60, 40),) * (n % 2), "ab" * (n + 1)) for n, wish in enumerate(wishes)]

    async def together() -> list[Said]:
        return [*await asyncio.gather(*(said(real, one) for one in jobs)), await said(real, jobs[0])]

    padded = asyncio.run(together())
    assert (3, 4, min(256, real._ready.decoder.slots.shape[1])) in shapes
    real._ready.decoder._graphs = None
    assert padded == asyncio.run(together())


def test_a_handful_of_shapes_serves_every_length(real: TransformersEngine, shapes: list[tuple[int, ...]]) -> None:
    for length in (1, 20, 45, 70):
        asyncio.run(said(real, job(real, WISH, (), "a" * length)))
    assert len(set(shapes)) <= 2
    assert all(rows == 1 for _, rows, _ in shapes)


def test_places_that_were_made_anew_are_recorded_anew(
    real: TransformersEngine, shapes: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A graph has the addresses of what it read; the old places are gone."""
    first = asyncio.run(said(real, job(real, WISH, (), "a")))
    slots = real._ready.decoder.slots
    before = len(shapes)
    slots.make_room(slots.shape[0] * 2, slots.shape[1], kept=0)
    assert asyncio.run(said(real, job(real, WISH, (), "a"))) == first
    assert len(shapes) > before
