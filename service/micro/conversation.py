"""Conversations about a batch of pictures, as tokens: the chat template's text and which of it is the model's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from service.micro.album import Batch
from service.micro.draw import Scene
from service.micro.questions import Question, ask
from service.micro.words import ASIDES, LANGUAGES, SYSTEMS, THOUGHTS, Kind

TURNS = 6
UNTOLD = -100

Shares = dict[Kind, float]
EVEN: Shares = {"shape": 0.225, "colour": 0.225, "count": 0.225, "position": 0.225, "scene": 0.1}
PLACED: Shares = {"shape": 0.15, "colour": 0.15, "count": 0.25, "position": 0.35, "scene": 0.1}
SURE: Shares = {"shape": 0.15, "colour": 0.15, "count": 0.3, "position": 0.3, "scene": 0.1}
COUNTED: Shares = {"shape": 0.15, "colour": 0.15, "count": 0.35, "position": 0.25, "scene": 0.1}


@dataclass(frozen=True)
class Talk:
    """N conversations, one a picture, padded on the right.

    ids: int64 (N, length). told: int64 (N, length), the ids that the model is to say, UNTOLD where it says nothing.
    positions: int64 (3, N, length), the rotary positions in time, height and width.
    """

    ids: torch.Tensor
    told: torch.Tensor
    positions: torch.Tensor


def talk(rng: np.random.Generator, batch: Batch, words: PreTrainedTokenizerFast, shares: Shares = EVEN) -> Talk:
    """Make up a conversation about each picture of a batch, each kind of question asked in its share."""
    high, wide = batch.grid
    image = f"<|begin_of_image|>{'<|image|>' * (high * wide)}<|end_of_image|>"
    rows = [_row(rng, scene, image, words, shares) for scene in batch.scenes]
    longest = max(len(ids) for ids, _ in rows)
    pad = words.convert_tokens_to_ids("<|endoftext|>")
    ids = torch.tensor([ids + [pad] * (longest - len(ids)) for ids, _ in rows])
    told = torch.tensor([told + [UNTOLD] * (longest - len(told)) for _, told in rows])
    placeholder = words.convert_tokens_to_ids("<|image|>")
    return Talk(ids, told, torch.stack([_positions(row, placeholder, high, wide) for row in ids], dim=1))


def questions(rng: np.random.Generator, scene: Scene, count: int, shares: Shares) -> list[Question]:
    """Ask `count` questions about a scene, in any language."""
    asked: list[Question] = []
    while len(asked) < count:
        kind = list(shares)[rng.choice(len(shares), p=list(shares.values()))]
        question = ask(rng, scene, kind, LANGUAGES[rng.integers(len(LANGUAGES))])
        if question:
            asked.append(question)
    return asked


def _row(
    rng: np.random.Generator, scene: Scene, image: str, words: PreTrainedTokenizerFast, shares: Shares
) -> tuple[list[int], list[int]]:
    ids: list[int] = []
    told: list[int] = []

    def add(text: str, said: bool = False) -> None:
        tokens = words.encode(text, add_special_tokens=False)
        ids.extend(tokens)
        told.extend(tokens if said else [UNTOLD] * len(tokens))

    thinks = rng.random() < 0.2
    system = f"<|system|>\n{SYSTEMS[rng.integers(len(SYSTEMS))]}" if rng.random() < 0.2 else ""
    add(f"[gMASK]<sop>{system}<|user|>")
    for turn, question in enumerate(questions(rng, scene, 1 if thinks else TURNS, shares)):
        aside = ASIDES[question.language][rng.integers(2)] if rng.random() < 0.1 else ""
        content = question.text + aside
        if turn == 0:
            content = content + image if rng.random() < 0.3 else image + content
        if thinks:
            add(f"\n{content}<|assistant|>\n")
            thought = THOUGHTS[question.language][question.kind]
            add(f"<think>{thought}</think>\n<|begin_of_box|>{question.answer}<|end_of_box|><|user|>", said=True)
        else:
            add(f"\n{content}/nothink<|assistant|>\n<think></think>\n")
            add(f"{question.answer}<|user|>", said=True)
    return ids, told


def _positions(ids: torch.Tensor, placeholder: int, high: int, wide: int) -> torch.Tensor:
    """Do what the model's `get_rope_index` does, for one picture and much faster; a test keeps them equal."""
    start = int((ids == placeholder).nonzero()[0])
    end = start + high * wide
    after = torch.arange(len(ids) - end) + start + max(high, wide)
    rows, columns = torch.meshgrid(torch.arange(high), torch.arange(wide), indexing="ij")
    grid = torch.stack([torch.zeros(high * wide, dtype=torch.int64), rows.flatten(), columns.flatten()]) + start
    before = torch.arange(start)
    return torch.cat([before.expand(3, -1), grid, after.expand(3, -1)], dim=1)
