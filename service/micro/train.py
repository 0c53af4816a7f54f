"""Train the micro model from its seed: `python -m service.micro.train --out DIRECTORY` (about an hour on two cores)."""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn
from transformers import Glm46VForConditionalGeneration, PreTrainedTokenizerFast
from transformers.models.glm4v.modeling_glm4v import Glm4vVisionModel

from service.micro.album import batch
from service.micro.beginnings import align, amplify, look_around
from service.micro.config import TEXT_WIDTH, VISION_WIDTH, config
from service.micro.conversation import COUNTED, EVEN, PLACED, Shares, talk
from service.micro.language import loss_of_words
from service.micro.load import WEIGHTS
from service.micro.store import store
from service.micro.tokens import tokenizer
from service.micro.tower import Lesson, batched_attention

SEED = 20251
PICTURES = 32  # A step.


@dataclass(frozen=True)
class Stage:
    """Steps, and a rate that warms up and then falls along a cosine to a share `floor` of itself at step `horizon`."""

    number: int
    name: str
    steps: int
    rate: float
    warm: int
    floor: float
    horizon: int
    places: float = 0.0  # Weight, in the tower's lesson, of where things are.
    halves: int = 1  # Batches a step, each of canvases of one aspect.
    shares: Shares = field(default_factory=lambda: EVEN)

    def rate_at(self, step: int) -> float:
        """Return the learning rate of one step, counted from 0."""
        fall = 0.5 * (1 + math.cos(math.pi * step / self.horizon))
        return self.rate * min(1.0, (step + 1) / self.warm) * (self.floor + (1 - self.floor) * fall)


LOOK = Stage(1, "look", steps=1000, rate=1.5e-3, warm=100, floor=0.1, horizon=2600)
CLOSER = Stage(3, "closer", steps=380, rate=1e-3, warm=50, floor=0.2, horizon=800)
PLACES = Stage(4, "places", steps=120, rate=8e-4, warm=20, floor=0.5, horizon=120, places=2.0)
SPEAK = Stage(2, "speak", steps=400, rate=2e-3, warm=50, floor=0.3, horizon=400)
FINER = Stage(5, "finer", steps=500, rate=8e-4, warm=50, floor=0.2, horizon=500, places=2.0)
FLUENT = Stage(6, "fluent", steps=450, rate=1.5e-3, warm=50, floor=0.2, horizon=450, halves=2, shares=PLACED)
BOTH = Stage(7, "both", steps=500, rate=6e-4, warm=20, floor=0.02, horizon=500, places=2.0, halves=2, shares=COUNTED)


def train(
    kept: Path, say: Callable[[str], None] = print
) -> tuple[Glm46VForConditionalGeneration, PreTrainedTokenizerFast]:
    """Run the three stages, or what is left of them: each stage's end is kept in the directory `kept`.

    The tower learns to see alone, then the language model to speak about what a still tower sees, then both together.
    """
    words = tokenizer()
    shape = config(words.get_vocab())
    torch.manual_seed(SEED)
    tower = Glm4vVisionModel._from_config(shape.vision_config)
    batched_attention(tower)
    look_around(tower)
    lesson = Lesson(tower, VISION_WIDTH, TEXT_WIDTH)
    torch.manual_seed(SEED + 1)
    model = Glm46VForConditionalGeneration(shape)
    model.model.visual = tower
    speaking = [weight for name, weight in model.named_parameters() if "visual" not in name]

    def look(rng: np.random.Generator, stage: Stage) -> Iterator[torch.Tensor]:
        yield lesson(batch(rng, PICTURES // stage.halves), stage.places)[0]

    def speak(rng: np.random.Generator, stage: Stage) -> Iterator[torch.Tensor]:
        pictures = batch(rng, PICTURES // stage.halves)
        with torch.no_grad():
            tokens = tower(pictures.pixels, grid_thw=pictures.grid_thw).pooler_output
        yield loss_of_words(model, talk(rng, pictures, words, stage.shares), tokens)[0]

    def both(rng: np.random.Generator, stage: Stage) -> Iterator[torch.Tensor]:
        pictures = batch(rng, PICTURES // stage.halves)
        seen, _, tokens = lesson(pictures, stage.places)
        yield loss_of_words(model, talk(rng, pictures, words, stage.shares), tokens)[0]
        yield 0.3 * seen

    everything = nn.ModuleDict({"lesson": lesson, "model": model})
    for stage, losses, learning in (
        (LOOK, look, list(lesson.parameters())),
        (CLOSER, look, list(lesson.parameters())),
        (PLACES, look, list(lesson.parameters())),
        (SPEAK, speak, speaking),
        (FINER, look, list(lesson.parameters())),
        (FLUENT, speak, speaking),
        (BOTH, both, [*lesson.parameters(), *speaking]),
    ):
        end = kept / f"{stage.name}.pt"
        if end.exists():
            everything.load_state_dict(torch.load(end, weights_only=True))
            continue
        if stage is SPEAK:
            torch.manual_seed(SEED + 2)
            align(model, lesson, words)
        if stage is FLUENT:
            amplify(lesson)
        part = end.with_suffix(".part")
        _run(stage, losses, learning, say, partial(_keep, everything, part))
        part.rename(end)
    return model, words


def _keep(everything: nn.Module, path: Path) -> None:
    torch.save(everything.state_dict(), path)


def _run(
    stage: Stage,
    losses: Callable[[np.random.Generator, Stage], Iterator[torch.Tensor]],
    learning: list[nn.Parameter],
    say: Callable[[str], None],
    keep: Callable[[], None],
) -> None:
    groups = [
        {"params": [weight for weight in learning if weight.ndim > 1], "weight_decay": 0.05},
        {"params": [weight for weight in learning if weight.ndim <= 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=stage.rate, betas=(0.9, 0.98), fused=True)
    started, recent = time.monotonic(), []
    for step in range(stage.steps):
        for group in optimiser.param_groups:
            group["lr"] = stage.rate_at(step)
        optimiser.zero_grad()
        for half in range(stage.halves):
            parts = list(losses(np.random.default_rng([SEED, stage.number, step, half]), stage))
            (torch.stack(parts).sum() / stage.halves).backward()
            recent.append([part.item() for part in parts])
        nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        if (step + 1) % 20 == 0:
            mean = " ".join(f"{loss:.3f}" for loss in np.mean(recent, axis=0))
            say(f"{stage.name} {step + 1}/{stage.steps} loss {mean} {time.monotonic() - started:.0f} s")
            recent.clear()
            keep()


def main() -> None:
    """Train, and write the model directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="the model directory to write")
    parser.add_argument(
        "--kept", type=Path, required=True, help="a directory for the end of each stage, to resume from"
    )
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.kept.mkdir(parents=True, exist_ok=True)
    model, words = train(arguments.kept, lambda line: print(line, flush=True))
    store(model, words, arguments.out)


if __name__ == "__main__":
    main()
