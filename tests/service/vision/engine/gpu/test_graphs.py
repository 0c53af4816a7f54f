"""Steps of a few fixed shapes, whatever rows there are: what is recorded is a GPU's own, the shapes are tried here."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
import torch

from service.vision.conversation import Sampling
from service.vision.engine.gpu.graphs import Graphs, _Recorded, spans
from service.vision.engine.slots import Slots
from service.vision.engine.transformers import TransformersEngine
from tests.service.vision.engine.asking import Said, job, said

WISH = Sampling(max_new_tokens=20, temperature=1.0, seed=3)


class Again:
    """A recorded step on a CPU: the same operations on the same tensors."""

    def __init__(self, graphs: Graphs, lined_up: torch.Tensor, span: int) -> None:
        self.graphs, self.lined_up, self.span = graphs, lined_up, span
        self.places = places(graphs._slots)
        self.logits = graphs._take(lined_up, span)

    def replay(self) -> None:
        assert self.places == places(self.graphs._slots), "a graph would use what was there when it was recorded"
        self.logits.copy_(self.graphs._take(self.lined_up, self.span))


def places(slots: Slots) -> list[int]:
    """Addresses."""
    return [tensor.data_ptr() for tensor in slots._kept]


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
    monkeypatch.setattr(decoder, "_graphs", Graphs(decoder.taken, decoder.slots, torch.device("cpu")))
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


def test_places_that_were_made_anew_are_recorded_anew(real: TransformersEngine, shapes: list[tuple[int, ...]]) -> None:
    """Though they have the shape that they had before, and nobody took a step in between."""
    first = asyncio.run(said(real, job(real, WISH, (), "a")))
    slots = real._ready.decoder.slots
    before, shape = len(shapes), slots.shape
    slots.make_room(1, 2 * shape[1], kept=0)
    slots.make_room(*shape, kept=0)
    assert asyncio.run(said(real, job(real, WISH, (), "a"))) == first
    assert len(shapes) > before


def test_places_that_were_half_made_anew_are_recorded_anew(
    real: TransformersEngine, shapes: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Memory ran out at the second layer: the first one's places are others by then."""
    first = asyncio.run(said(real, job(real, WISH, (), "a")))
    slots = real._ready.decoder.slots
    empty, made = slots._empty, [0]

    def once(rows: int, width: int) -> torch.Tensor:
        made[0] += 1
        if made[0] == 2:
            raise torch.OutOfMemoryError("CUDA")
        return empty(rows, width)

    monkeypatch.setattr(slots, "_empty", once)
    with pytest.raises(torch.OutOfMemoryError):
        slots.make_room(slots.shape[0], 2 * slots.shape[1], kept=0)
    assert asyncio.run(said(real, job(real, WISH, (), "a"))) == first


def test_a_step_that_cannot_be_recorded_is_taken_all_the_same(
    real: TransformersEngine, shapes: list[tuple[int, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def full(self: Graphs, lined_up: torch.Tensor, span: int) -> Any:
        tried.append(span)
        raise torch.OutOfMemoryError("CUDA")

    expected = asyncio.run(said(real, job(real, WISH, (), "a")))
    graphs = real._ready.decoder._graphs
    assert graphs
    graphs._recorded.clear()
    monkeypatch.setattr(Graphs, "_record", full)
    assert asyncio.run(said(real, job(real, WISH, (), "a"))) == expected
    assert len(tried) == 1, "it was tried again at every step"


def test_spans() -> None:
    assert [spans(one) for one in (200, 256, 257, 8192, 32_768)] == [1, 1, 2, 6, 8]
