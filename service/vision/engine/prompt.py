"""From a job to the tensors that the model takes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil
from transformers.models.glm46v.image_processing_pil_glm46v import Glm46VImageProcessorPil

from service.vision.conversation import Job
from service.vision.engine.checkpoint import Checkpoint
from service.vision.engine.fitting import Fitting
from service.vision.engine.patches import Patcher, Patches, Shades
from service.vision.engine.positions import positions
from service.vision.engine.protocol import EngineUnusable, JobRefused
from service.vision.engine.scaling import scaled
from service.vision.engine.template import Template
from service.vision.engine.words import Words

_MOST_CHARACTERS_A_TOKEN = 16
"""On average over a text; with more it is too long in any case, and is not tokenised to find out by how much."""


@dataclass(frozen=True)
class Prompt:
    """What the model reads.

    ids: int64 (length,). positions: int64 (3, length), see positions.py; offset: how far they are ahead of the number
    of tokens at the end. places: int64 (tokens of pictures,), where these stand.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    offset: int
    places: torch.Tensor
    pictures: tuple[Patches, ...]
    thinks_first: bool

    @property
    def length(self) -> int:
        return len(self.ids)


class Prompter:
    """Writes prompts for one checkpoint."""

    def __init__(self, checkpoint: Checkpoint, words: Words, image_token: int, max_pixels: int, context: int) -> None:
        self._words = words
        self._template = Template(checkpoint.path)
        self._image_token = image_token
        self._context = context
        pinned = Glm46VImageProcessorPil if checkpoint.architecture.startswith("Glm46V") else Glm4vImageProcessorPil
        processor = pinned.from_pretrained(checkpoint.path, local_files_only=True)
        vision = checkpoint.config["vision_config"]
        for name, expected in (("patch_size", 14), ("temporal_patch_size", 2)):
            if getattr(processor, name) != vision.get(name, expected):
                raise EngineUnusable(
                    f"{checkpoint.path}: {name} differs between preprocessor_config.json and config.json"
                )
        frames, patch = processor.temporal_patch_size, processor.patch_size
        largest = min(processor.size["longest_edge"], frames * max_pixels)
        smallest = min(processor.size["shortest_edge"], largest)
        self._merge = processor.merge_size
        self._patcher = Patcher(processor)
        self.shades = Shades(processor)
        self.fitting = Fitting(patch * self._merge, frames, smallest, largest)
        self.patches_a_token = self._merge**2
        self.most_patches = largest // frames // patch**2
        """Of the largest picture that the model is shown."""

    def write(self, job: Job) -> Prompt:
        """Raises JobRefused."""
        characters = sum(len(text) for turn in job.turns for text in turn.texts)
        if characters > _MOST_CHARACTERS_A_TOKEN * self._context:
            raise too_long(f"{characters} characters", self._context)
        pictures = self._pictures(job)
        ids = self._widen(self._tokens(job), pictures)
        if len(ids) >= self._context:
            raise too_long(f"{len(ids)} tokens", self._context)
        tensor = torch.tensor(ids)
        places = (tensor == self._image_token).nonzero()[:, 0]
        placed, offset = positions(len(ids), places, [picture.grid for picture in pictures], self._merge)
        return Prompt(tensor, placed, offset, places, pictures, self._thinks_first(ids))

    def _tokens(self, job: Job) -> list[int]:
        ids: list[int] = []
        run = ""  # Text is encoded between added tokens, whoever wrote it: as the tokenizer would do it by itself.
        for span, by_user in self._template.render(job):
            for piece in [span] if by_user else self._words.split(span):
                if isinstance(piece, str):
                    run += piece
                else:
                    ids += [*self._words.encode(run), piece]
                    run = ""
        return ids + self._words.encode(run)

    def _widen(self, ids: list[int], pictures: tuple[Patches, ...]) -> list[int]:
        """Widen each picture's placeholder to as many tokens as the picture has."""
        counts = [len(picture.pixels) // self.patches_a_token for picture in pictures]
        if ids.count(self._image_token) != len(counts):
            message = "messages: the model's chat template does not take the pictures in them"
            raise JobRefused(message, "invalid_value", "messages")
        remaining = iter(counts)
        return [
            one for number in ids for one in ([number] * next(remaining) if number == self._image_token else [number])
        ]

    def _pictures(self, job: Job) -> tuple[Patches, ...]:
        return tuple(
            Patches((job.principal, picture.sha256, picture.size), *self._patcher.cut(scaled(picture)))
            for picture in job.pictures
        )

    def _thinks_first(self, ids: list[int]) -> bool:
        opened, closed = (self._words.number(token) for token in ("<think>", "</think>"))
        last = next((number for number in reversed(ids) if number in (opened, closed)), None)
        return last is not None and last == opened


def too_long(what: str, context: int) -> JobRefused:
    """The refusal of a conversation that the model cannot hold."""
    message = f"messages: {what}, expected less than the context of {context} tokens"
    return JobRefused(message, "context_length_exceeded", "messages")
