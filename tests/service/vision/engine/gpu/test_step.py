"""A step by kernels says what a step by the library's operations says; kernels that do not are not used."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from service.vision.conversation import Sampling
from service.vision.engine.checkpoint import inspect
from service.vision.engine.gpu import offer
from service.vision.engine.gpu.nvrtc import KernelError
from service.vision.engine.gpu.step import Step
from service.vision.engine.model import load
from service.vision.engine.quantization import Int8Linear
from service.vision.engine.slots import Slots
from service.vision.engine.transformers import TransformersEngine
from tests.service.vision.engine.asking import Said, job, said
from tests.service.vision.engine.gpu.doubles import TorchKernels


@pytest.fixture
def decoder(real: TransformersEngine) -> Iterator[Any]:
    decoder = real._ready.decoder
    yield decoder
    decoder._step = None


def offered(decoder: Any) -> Any:
    return offer.step(decoder._text, decoder.slots, decoder._turns)


def ask(engine: TransformersEngine) -> list[Said]:
    """Together: a picture, two, none; greedy and not."""
    wishes = [Sampling(max_new_tokens=24, temperature=float(n), seed=n) for n in range(3)]
    jobs = [job(engine, wish, ((60, 40), (99, 30))[:n], "ab" * (n + 1)) for n, wish in enumerate(wishes)]

    async def together() -> list[Said]:
        return list(await asyncio.gather(*(said(engine, one) for one in jobs)))

    return asyncio.run(together())


def test_it_says_the_same(real: TransformersEngine, decoder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = ask(real)
    monkeypatch.setattr(offer, "Kernels", TorchKernels)
    decoder._step = offered(decoder)
    assert decoder._step
    assert ask(real) == expected


def swapped(kernels: TorchKernels, both: torch.Tensor) -> torch.Tensor:
    return TorchKernels.gate(kernels, both.roll(both.shape[1] // 2, dims=1))


def no_number(kernels: TorchKernels, both: torch.Tensor) -> torch.Tensor:
    return TorchKernels.gate(kernels, both) * torch.nan


@pytest.mark.parametrize(("gate", "how"), [(swapped, "differ by"), (no_number, "differ by inf")])
def test_kernels_that_compute_anything_else_are_not_used(
    decoder: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], gate: Any, how: str
) -> None:
    monkeypatch.setattr(offer, "Kernels", type("Wrong", (TorchKernels,), {"gate": gate}))
    assert offered(decoder) is None
    assert how in capsys.readouterr().err


FAULTS = (KernelError("no such GPU"), ImportError("cuda.bindings"), RuntimeError("no driver"), OSError("libnvrtc"))


@pytest.mark.parametrize("error", FAULTS, ids=repr)
def test_a_gpu_that_cannot_have_them_does_without(
    decoder: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    def refuse(*_: Any) -> None:
        raise error

    monkeypatch.setattr(offer, "Kernels", refuse)
    assert offered(decoder) is None
    assert f"{type(error).__name__}: {error}" in capsys.readouterr().err


def test_too_little_memory_is_not_hidden(decoder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was weighed does not fit: the engine says it, rather than being slow for as long as it lives."""

    def refuse(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA")

    monkeypatch.setattr(offer, "Kernels", refuse)
    with pytest.raises(torch.OutOfMemoryError):
        offered(decoder)


class WrongProducts:
    """Zeros, whatever is asked."""

    def pays(self, hidden: torch.Tensor, weight: torch.Tensor) -> bool:
        return True

    def of(self, hidden: torch.Tensor, weight: torch.Tensor, *_: Any) -> torch.Tensor:
        return hidden.new_zeros(len(hidden), len(weight))


def test_wrong_products_are_not_used(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = load(inspect(checkpoint), "cpu", "int8").model.language_model
    monkeypatch.setattr(offer, "Kernels", TorchKernels)
    monkeypatch.setattr(offer, "Products", WrongProducts)
    monkeypatch.setattr(Step, "_lengths", Step._mask)
    turns = torch.polar(torch.ones(700, 2), torch.rand(700, 2))
    assert offer.step(text, None, turns) is None
    assert "differ by" in capsys.readouterr().err
    assert not any(one.products for one in text.modules() if isinstance(one, Int8Linear))


def test_one_large_channel_hides_no_fault() -> None:
    expected = torch.randn(4, 64)
    expected[:, 3] *= 1000
    wrong = expected.clone()
    wrong[2, 7] += 1.0
    assert offer.apart(expected, expected) == 0.0
    assert offer.apart(wrong, expected) > 0.3


@pytest.mark.parametrize("kept_heads", [1, 2, 4])
def test_attention_finds_each_rows_own_keys(monkeypatch: pytest.MonkeyPatch, kept_heads: int) -> None:
    """As FlashAttention reads them: one run of tokens, in which a row has a beginning and a length."""
    torch.manual_seed(kept_heads)
    rows, width, size, places = 3, 8, 4, torch.tensor([0, 7, 3])

    def by_run(
        queries: torch.Tensor,
        keys: torch.Tensor,
        values: torch.Tensor,
        _: Any,
        starts: torch.Tensor,
        *__: Any,
        **how: Any,
    ) -> torch.Tensor:
        found = []
        for row, used in enumerate(how["seqused_k"].tolist()):
            at = slice(int(starts[row]), int(starts[row]) + used)
            asked, key, value = (part.transpose(0, 1)[None] for part in (queries[row][None], keys[at], values[at]))
            found.append(scaled_dot_product_attention(asked, key, value, enable_gqa=True)[0, :, 0])
        return torch.stack(found)

    monkeypatch.setattr("service.vision.engine.gpu.step.varlen_attn", by_run)
    slots = Slots(1, kept_heads, size, 64, torch.empty(0))
    slots._kept, step = [torch.randn(rows + 1, 2 * kept_heads, width, size)], Step(None, slots, torch.empty(0), None)  # type: ignore[arg-type]
    queries = torch.randn(rows, 2 * kept_heads, size)
    kept = slots.kept[0]
    expected = step._mask(places, width)(queries, kept).reshape(queries.shape)
    assert torch.allclose(step._lengths(places, width)(queries, kept), expected, atol=1e-6)
