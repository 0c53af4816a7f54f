"""Eight-bit weights: close to what they were, a row at a time, and half the size."""

from pathlib import Path

import torch
from torch import nn

from service.vision.engine.checkpoint import inspect
from service.vision.engine.model import load
from service.vision.engine.quantization import Int8Linear


def test_it_is_close_and_no_row_sees_another() -> None:
    torch.manual_seed(1)
    linear = nn.Linear(256, 64).requires_grad_(False)
    hidden = torch.randn(5, 256)
    hidden[0] *= 1000
    quantised = Int8Linear(linear)
    wanted, got = linear(hidden), quantised(hidden)
    assert float(((wanted - got).norm(dim=1) / wanted.norm(dim=1)).max()) < 0.01
    assert torch.allclose(got[1:], quantised(hidden[1:]), atol=1e-5)
    assert quantised.weight.dtype == torch.int8


def test_an_output_without_weights_stays_one() -> None:
    linear = nn.Linear(8, 2, bias=False)
    nn.init.zeros_(linear.weight)
    assert Int8Linear(linear)(torch.ones(1, 8)).tolist() == [[0.0, 0.0]]


def test_only_the_layers_of_the_language_model_change(checkpoint: Path) -> None:
    model = load(inspect(checkpoint), "cpu", "int8")
    of_layers = [one for one in model.model.language_model.layers.modules() if isinstance(one, (nn.Linear, Int8Linear))]
    assert of_layers
    assert all(isinstance(one, Int8Linear) for one in of_layers)
    elsewhere = [one for one in (*model.model.visual.modules(), model.lm_head) if isinstance(one, Int8Linear)]
    assert not elsewhere
