"""Each kernel against the library's operations: run on a machine that has a GPU, left out elsewhere."""

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from service.vision.engine.gpu.kernels import Kernels, Shape
from service.vision.engine.gpu.nvrtc import KernelError
from service.vision.engine.gpu.products import MOST_ROWS, Products
from service.vision.engine.gpu.step import Step
from service.vision.engine.quantization import Int8Linear
from service.vision.engine.transformers import TransformersEngine
from tests.service.vision.conftest import choices
from tests.service.vision.engine.gpu.doubles import TorchKernels

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
MICRO = Path(__file__).resolve().parents[5] / "service" / "micro" / "weights"
SHAPES = (Shape(4096, 32, 2, 128, 32), Shape(72, 6, 3, 12, 2), Shape(1000, 4, 4, 64, 32))
DTYPES = (torch.bfloat16, torch.float16, torch.float32)


@pytest.fixture(scope="module", params=[(shape, dtype) for shape in SHAPES for dtype in DTYPES], ids=str)
def both(request: pytest.FixtureRequest) -> tuple[Kernels, TorchKernels, Shape, torch.dtype]:
    torch.manual_seed(1)
    return Kernels(*request.param), TorchKernels(*request.param), *request.param


@pytest.fixture(scope="module")
def products() -> Products:
    return Products()


def close(ours: torch.Tensor, theirs: torch.Tensor) -> bool:
    """But for a rounding or two, and for the order in which sums are made."""
    unit = max(4 * torch.finfo(theirs.dtype).eps, 1e-5)
    return bool(((ours.float() - theirs.float()).abs() <= unit * theirs.float().abs().clamp_min(0.1)).all())


def random(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(shape, device="cuda").to(dtype)


@pytest.mark.parametrize("rows", [1, 5])
def test_add_norm(both: Any, rows: int) -> None:
    ours, theirs, shape, dtype = both
    hidden, found = random(rows, shape.size, dtype=dtype), random(rows, shape.size, dtype=dtype) * 3
    after, following = (
        SimpleNamespace(weight=random(shape.size, dtype=dtype), variance_epsilon=1e-5) for _ in range(2)
    )
    mine, other = hidden.clone(), hidden.clone()
    assert close(ours.add_norm(mine, found, after, following), theirs.add_norm(other, found, after, following))
    assert close(mine, other)
    assert not torch.equal(mine, hidden)


@pytest.mark.parametrize("rows", [1, 5])
def test_turn(both: Any, rows: int) -> None:
    ours, theirs, shape, dtype = both
    looks = random(rows, (shape.heads + 2 * shape.kept) * shape.head, dtype=dtype)
    turns = torch.polar(torch.ones(90, shape.pairs), torch.rand(90, shape.pairs) * 6).cuda()
    lined_up = torch.stack([torch.zeros(rows).long(), torch.randperm(60)[:rows], torch.arange(rows)]).cuda()
    kept = random(rows + 2, 2 * shape.kept, 64, shape.head, dtype=dtype)
    mine, other = kept.clone(), kept.clone()
    assert close(ours.turn(looks, turns, lined_up, mine), theirs.turn(looks, turns, lined_up, other))
    assert close(mine, other)


def test_gate(both: Any) -> None:
    ours, theirs, shape, dtype = both
    pair = random(3, 2 * (shape.size + 1), dtype=dtype) * 4
    assert close(ours.gate(pair), theirs.gate(pair))


@pytest.mark.parametrize("rows", [1, 7, 8, 9, 16, 17, MOST_ROWS])
@pytest.mark.parametrize(("inputs", "outputs"), [(64, 64), (4096, 4608), (13_696, 128), (704, 192)])
@pytest.mark.parametrize("biased", [True, False])
def test_products(products: Products, rows: int, inputs: int, outputs: int, biased: bool) -> None:
    torch.manual_seed(rows)
    linear = Int8Linear(nn.Linear(inputs, outputs, bias=biased).requires_grad_(False).bfloat16()).cuda()
    hidden = random(rows, 1, inputs, dtype=torch.bfloat16)
    exact = nn.functional.linear(hidden.double(), linear.weight.double()) * linear.scale.double()
    exact = exact + linear.bias.double() if biased else exact
    linear.products = products
    assert linear.products.pays(hidden, linear.weight)
    made = linear(hidden)
    assert made.shape == exact.shape
    assert float((made - exact).abs().max() / exact.abs().max()) < 0.005


@pytest.mark.parametrize("precision", ["bf16", "fp16", "int8"])
def test_attention_by_lengths(precision: str) -> None:
    """FlashAttention over places as we keep them against the library's attention with a mask."""
    engine = TransformersEngine(replace(choices(MICRO), device="cuda", precision=precision))
    asyncio.run(engine.start())
    decoder = engine._ready.decoder
    step = decoder._step
    assert isinstance(step, Step), "the kernels were not used"
    assert decoder._graphs
    decoder.slots.make_room(4, 256, kept=0)
    for kept in decoder.slots.kept:
        kept.normal_()
    lined_up = torch.tensor([[5, 6, 7], [0, 199, 63], [0, 4, 2]], device="cuda")
    with torch.inference_mode():
        ours = decoder.taken(lined_up, 256)
        decoder._step = None
        theirs = decoder.taken(lined_up, 256)
        decoder._step = step
        decoder._graphs.step(lined_up.tolist(), 256)  # Three rows are padded to four, and recorded.
        again = decoder._graphs.step(lined_up.tolist(), 256)
    asyncio.run(engine.stop())
    assert float((again - ours).abs().max() / ours.abs().max()) < 0.02
    assert float((ours - theirs).abs().max() / theirs.abs().max()) < 0.05


def test_nothing_is_kept_where_others_may_write(tmp_path: Path) -> None:
    """NVRTC would keep what it compiled, and take what lies there for its own."""
    code = "import torch; from service.vision.engine.gpu.products import Products; Products()"
    environment = {**os.environ, "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], cwd=MICRO.parents[2], env=environment, check=True)
    assert list(tmp_path.rglob("*")) == []


def test_what_has_gaps_is_refused() -> None:
    ours = Kernels(SHAPES[0], torch.bfloat16)
    with pytest.raises(KernelError, match="has gaps"):
        ours.gate(random(8192, 2, dtype=torch.bfloat16).t())


def test_a_size_that_cannot_be_read_in_whole_pieces_is_refused() -> None:
    with pytest.raises(KernelError, match="whole pieces"):
        Kernels(replace(SHAPES[0], size=1003), torch.bfloat16)
