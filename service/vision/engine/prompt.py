"""From a job to the tensors that the model takes."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

import torch
from transformers.models.glm4v.image_processing_pil_glm4v import Glm4vImageProcessorPil
from transformers.models.glm46v.image_processing_pil_glm46v import Glm46VImageProcessorPil, smart_resize

from service.vision.conversation import Job
from service.vision.engine.checkpoint import Checkpoint
from service.vision.engine.protocol import EngineUnusable, JobRefused
from service.vision.engine.template import Template
from service.vision.engine.words import Words

_COARSE_PIXELS = 448 * 448
_ANY = 1 << 40
_MOST_CHARACTERS_A_TOKEN = 16
"""On average over a text; with more it is too long in any case, and is not tokenised to find out by how much."""


@dataclass(frozen=True)
class Patches:
    """A picture as the vision tower takes it: pixels (patches, values of one); grid, patches in time, height, width.

    `key` is the same for the same picture of the same principal, and for nothing else.
    """

    key: Hashable
    pixels: torch.Tensor
    grid: tuple[int, int, int]


@dataclass(frozen=True)
class Prompt:
    """What the model reads.

    ids: int64 (1, length). kinds: int64 (1, length), 1 where a picture stands.
    """

    ids: torch.Tensor
    kinds: torch.Tensor
    pictures: tuple[Patches, ...]
    thinks_first: bool

    @property
    def length(self) -> int:
        return int(self.ids.shape[1])


class Prompter:
    """Writes prompts for one checkpoint."""

    def __init__(self, checkpoint: Checkpoint, words: Words, image_token: int, max_pixels: int, context: int) -> None:
        self._words = words
        self._template = Template(checkpoint.path)
        self._image_token = image_token
        self._context = context
        pinned = Glm46VImageProcessorPil if checkpoint.architecture.startswith("Glm46V") else Glm4vImageProcessorPil
        self._processor = pinned.from_pretrained(checkpoint.path, local_files_only=True)
        vision = checkpoint.config["vision_config"]
        for name, expected in (("patch_size", 14), ("temporal_patch_size", 2)):
            if getattr(self._processor, name) != vision.get(name, expected):
                raise EngineUnusable(
                    f"{checkpoint.path}: {name} differs between preprocessor_config.json and config.json"
                )
        frames = self._processor.temporal_patch_size
        size = self._processor.size
        self._largest = min(size["longest_edge"], frames * max_pixels)
        self._smallest = min(size["shortest_edge"], self._largest)
        self.patches_a_token = self._processor.merge_size**2
        self.most_patches = self._largest // frames // self._processor.patch_size**2
        """Of the largest picture that the model is shown."""

    def fit(self, width: int, height: int, coarse: bool) -> tuple[int, int]:
        """The size that the image processor gives a picture."""
        frames = self._processor.temporal_patch_size
        largest = min(self._largest, frames * _COARSE_PIXELS) if coarse else self._largest
        fitted_height, fitted_width = smart_resize(
            num_frames=frames,
            height=height,
            width=width,
            temporal_factor=frames,
            factor=self._processor.patch_size * self._processor.merge_size,
            min_pixels=min(self._smallest, largest),
            max_pixels=largest,
        )
        return fitted_width, fitted_height

    def write(self, job: Job) -> Prompt:
        """Raises JobRefused."""
        characters = sum(len(text) for turn in job.turns for text in turn.texts)
        if characters > _MOST_CHARACTERS_A_TOKEN * self._context:
            raise too_long(f"{characters} characters", self._context)
        pictures = self._pictures(job)
        ids = self._place(self._tokens(job), pictures)
        if len(ids) >= self._context:
            raise too_long(f"{len(ids)} tokens", self._context)
        tensor = torch.tensor([ids])
        return Prompt(tensor, (tensor == self._image_token).long(), pictures, self._thinks_first(ids))

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

    def _place(self, ids: list[int], pictures: tuple[Patches, ...]) -> list[int]:
        """Widen each picture's placeholder to as many tokens as the picture has."""
        counts = [len(picture.pixels) // self.patches_a_token for picture in pictures]
        if ids.count(self._image_token) != len(counts):
            raise JobRefused("the model's chat template does not take these pictures", "messages", "messages")
        remaining = iter(counts)
        return [
            one for number in ids for one in ([number] * next(remaining) if number == self._image_token else [number])
        ]

    def _pictures(self, job: Job) -> tuple[Patches, ...]:
        if not job.pictures:
            return ()
        size = {"shortest_edge": 1, "longest_edge": _ANY}  # They have been fitted, and are left as they are.
        made = self._processor(images=[picture.image for picture in job.pictures], size=size, return_tensors="pt")
        grids = made["image_grid_thw"].tolist()
        pixels = made["pixel_values"].split([high * wide for _, high, wide in grids])
        return tuple(
            Patches((job.principal, picture.sha256, picture.image.size), some, (time, high, wide))
            for picture, some, (time, high, wide) in zip(job.pictures, pixels, grids, strict=True)
        )

    def _thinks_first(self, ids: list[int]) -> bool:
        opened, closed = (self._words.number(token) for token in ("<think>", "</think>"))
        last = next((number for number in reversed(ids) if number in (opened, closed)), None)
        return last is not None and last == opened


def too_long(what: str, context: int) -> JobRefused:
    """The refusal of a conversation that the model cannot hold."""
    message = f"messages: {what}, expected less than the context of {context} tokens"
    return JobRefused(message, "context_length_exceeded", "messages")
