"""Train the micro model from its seed: `python -m service.micro.train --kept DIRECTORY` (an hour on two idle cores)."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from transformers import Glm46VForConditionalGeneration, PreTrainedTokenizerFast
from transformers.models.glm4v.modeling_glm4v import Glm4vVisionModel

from service.micro.album import batch
from service.micro.beginnings import align, amplify, look_around
from service.micro.config import TEXT_WIDTH, VISION_WIDTH, config
from service.micro.conversation import talk
from service.micro.language import loss_of_words
from service.micro.load import WEIGHTS
from service.micro.stages import STAGES, Stage
from service.micro.store import store
from service.micro.tokens import tokenizer
from service.micro.tower import Lesson, batched_attention

SEED = 20251
PICTURES = 32  # A step.


class Pupil(nn.Module):
    """The model to train, and the tower's lesson, which is dropped at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.words: PreTrainedTokenizerFast = tokenizer()
        shape = config(self.words.get_vocab())
        torch.manual_seed(SEED)
        tower = Glm4vVisionModel._from_config(shape.vision_config)
        batched_attention(tower)
        look_around(tower)
        self.lesson = Lesson(tower, VISION_WIDTH, TEXT_WIDTH)
        torch.manual_seed(SEED + 1)
        self.model = Glm46VForConditionalGeneration(shape)
        self.model.model.visual = tower

    def begin(self, stage: Stage) -> list[dict[str, Any]]:
        """Set up for a stage, and return the groups of weights that learn in it, with their `share` of the rate."""
        torch.manual_seed(SEED + stage.stream)
        if stage.name == "speak":
            align(self.model, self.lesson, self.words)
        if stage.name == "fluent":
            amplify(self.lesson)
        seeing = list(self.lesson.parameters())
        speaking = [weight for name, weight in self.model.named_parameters() if "visual" not in name]
        learning = {"tower": [seeing, []], "language": [[], speaking], "both": [seeing, speaking]}[stage.learns]
        return [
            {
                "params": [weight for weight in weights if (weight.ndim > 1) == decays],
                "share": share,
                "weight_decay": decay,
            }
            for weights, share in zip(learning, (stage.tower_rate, 1.0), strict=True)
            for decays, decay in ((True, 0.05), (False, 0.0))
            if weights
        ]

    def losses(self, stage: Stage, rng: np.random.Generator) -> Iterator[torch.Tensor]:
        """Draw a batch and yield the losses of a stage on it."""
        pictures = batch(rng, PICTURES // stage.halves, stage.alike)
        if stage.learns == "language":
            with torch.no_grad():
                tokens = self.model.model.visual(pictures.pixels, grid_thw=pictures.grid_thw).pooler_output
        else:
            seen, tokens = self.lesson(pictures, stage.places, stage.exact, stage.nothing)
            yield seen * (0.3 if stage.learns == "both" else 1.0)
        if stage.learns != "tower":
            yield loss_of_words(self.model, talk(rng, pictures, self.words, stage.shares), tokens)


def train(kept: Path, stages: tuple[Stage, ...] = STAGES, say: Callable[[str], None] = print) -> Pupil:
    """Run all stages, or what is left of them: each stage's end is kept in the directory `kept`.

    The tower learns to see, then the language model to speak about what a still tower sees, at last both together.
    """
    pupil = Pupil()
    for stage in stages:
        end = kept / f"{stage.name}.pt"
        if end.exists():
            pupil.load_state_dict(torch.load(end, weights_only=True))
            continue
        for line in run(pupil, stage):
            say(line)
            torch.save(pupil.state_dict(), end.with_suffix(".part"))
        torch.save(pupil.state_dict(), end)
    return pupil


def run(pupil: Pupil, stage: Stage) -> Iterator[str]:
    """Run one stage; every 20 steps, yield a line about it."""
    groups = pupil.begin(stage)
    learning = [weight for group in groups for weight in group["params"]]
    optimiser = torch.optim.AdamW(groups, lr=stage.rate, betas=(0.9, 0.98), fused=True)
    started, recent = time.monotonic(), []
    for step in range(stage.steps):
        for group in optimiser.param_groups:
            group["lr"] = group["share"] * stage.rate_at(step)
        optimiser.zero_grad()
        for half in range(stage.halves):
            losses = list(pupil.losses(stage, np.random.default_rng([SEED, stage.stream, step, half])))
            (torch.stack(losses).sum() / stage.halves).backward()
            recent.append([loss.item() for loss in losses])
        nn.utils.clip_grad_norm_(learning, 1.0)
        optimiser.step()
        if (step + 1) % 20 == 0:
            mean = " ".join(f"{loss:.3f}" for loss in np.mean(recent, axis=0))
            yield f"{stage.name} {step + 1}/{stage.steps} loss {mean} {time.monotonic() - started:.0f} s"
            recent.clear()


def main() -> None:
    """Train, and write the model directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="the model directory to write")
    parser.add_argument("--kept", type=Path, required=True, help="where to keep the end of each stage, to resume from")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    arguments.kept.mkdir(parents=True, exist_ok=True)
    pupil = train(arguments.kept, say=lambda line: print(line, flush=True))
    store(pupil.model, pupil.words, arguments.out)


if __name__ == "__main__":
    main()
