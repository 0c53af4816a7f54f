"""Choosing the next token, each row by its own rules and from its own stream of chance."""

from __future__ import annotations

import math
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from service.vision.conversation import Sampling
from service.vision.engine.checkpoint import read_json
from service.vision.engine.protocol import EngineUnusable


@dataclass(frozen=True)
class Defaults:
    """What the checkpoint's generation_config.json says: how it samples if nobody asks, and where an answer ends."""

    sampling: Sampling
    stops: frozenset[int]

    @classmethod
    def read(cls, path: Path, stops: int | Iterable[int]) -> Defaults:
        """`stops` are the end tokens of config.json, for a checkpoint without a generation_config.json."""
        file = path / "generation_config.json"
        given = read_json(file) if file.exists() else {}
        ends = given.get("eos_token_id", stops)
        ends = frozenset([ends] if isinstance(ends, int) else ends if isinstance(ends, Iterable) else ())
        if not all(type(end) is int for end in ends):
            raise EngineUnusable(f"{file}: eos_token_id is no number or list of some; next: casemate release verify")
        sampling = Sampling(
            temperature=_number(file, given, "temperature", 1.0) if given.get("do_sample") else 0.0,
            top_p=_number(file, given, "top_p", 1.0),
            top_k=int(_number(file, given, "top_k", 0)),
            repetition_penalty=_number(file, given, "repetition_penalty", 1.0),
        )
        return cls(sampling, ends)

    def complete(self, asked: Sampling) -> Sampling:
        """Fill in what was not asked for."""
        missing = {name: value for name, value in vars(self.sampling).items() if getattr(asked, name) is None}
        return replace(asked, **missing)


def _number(file: Path, given: dict[str, Any], name: str, default: float) -> float:
    value = default if given.get(name) is None else given[name]
    if type(value) not in (int, float) or not math.isfinite(value) or value < 0:
        what = f"{name} is {ascii(value)[:80]}, expected a number from 0"
        raise EngineUnusable(f"{file}: {what}; next: casemate release verify")
    return float(value)


class Choice:
    """One row's rules and its own stream of chance: the same seed draws the same numbers, in any company."""

    def __init__(self, sampling: Sampling, prompt: torch.Tensor) -> None:
        self.temperature = sampling.temperature or 0.0
        self.top_p = 1.0 if sampling.top_p is None else sampling.top_p
        self.top_k = sampling.top_k or 0
        self.penalty = sampling.repetition_penalty or 1.0
        self._prompt = prompt
        self._used: torch.Tensor | None = None
        self._chance = torch.Generator()
        self._chance.manual_seed(secrets.randbits(63) if sampling.seed is None else sampling.seed & (2**64 - 1))

    def draw(self) -> float:
        """The next number of the stream, from 0 up to 1."""
        return float(torch.rand((), dtype=torch.float64, generator=self._chance))

    def used(self, vocabulary: int, device: torch.device) -> torch.Tensor:
        """Whether the penalty is for it (vocabulary,): tokens of the prompt and of the answer so far.

        It stays where the logits are: to send a few thousand numbers there for each row takes a third of a step.
        """
        if self._used is None:
            self._used = torch.zeros(vocabulary, dtype=torch.bool, device=device)
            self._used[self._prompt.to(device)] = True
        return self._used

    def chose(self, token: int) -> None:
        """Remember it."""
        if self._used is not None and token >= 0:
            self._used[token] = True


def choose(logits: torch.Tensor, choices: Sequence[Choice]) -> list[int | None]:
    """The next token of each row for logits (rows, vocabulary) in fp32; None where they are not numbers.

    No row's choice depends on the others'. Ties go to the lower token.
    """
    if rows := [row for row, choice in enumerate(choices) if choice.penalty != 1.0]:
        logits[rows] = _penalised(logits[rows], [choices[row] for row in rows])
    best, tokens = logits.max(-1)
    drawing = [row for row, choice in enumerate(choices) if choice.temperature > 0]
    for short in (True, False):  # Those with a top-k need no sorting of the whole vocabulary.
        if rows := [row for row in drawing if (choices[row].top_k > 0) is short]:
            tokens[rows] = _drawn(logits[rows], [choices[row] for row in rows])
    chosen = torch.where(best.isfinite(), tokens, -1).tolist()
    for token, choice in zip(chosen, choices, strict=True):
        choice.chose(token)
    return [None if token < 0 else token for token in chosen]


def _penalised(logits: torch.Tensor, choices: Sequence[Choice]) -> torch.Tensor:
    used = torch.stack([choice.used(logits.shape[1], logits.device) for choice in choices])
    penalty = torch.tensor([choice.penalty for choice in choices], device=logits.device)[:, None]
    return torch.where(used, torch.where(logits < 0, logits * penalty, logits / penalty), logits)


def _drawn(logits: torch.Tensor, choices: Sequence[Choice]) -> torch.Tensor:
    """Tokens (rows,), by the inverse of each row's distribution: one number of its stream a token."""

    def column(values: list[float]) -> torch.Tensor:
        return torch.tensor(values, device=logits.device)[:, None]

    warm = logits / column([choice.temperature for choice in choices])
    longest = max(choice.top_k for choice in choices)
    if 0 < longest < logits.shape[1]:
        values, tokens = warm.topk(longest)
    else:
        values, tokens = warm.sort(descending=True, stable=True)
    ranks = torch.arange(values.shape[1], device=logits.device)
    beyond = ranks >= column([choice.top_k or logits.shape[1] for choice in choices])
    chances = values.masked_fill(beyond, -torch.inf).softmax(-1).double()
    before = chances.cumsum(-1) - chances
    cut = before >= column([choice.top_p if choice.top_p < 1.0 else 2.0 for choice in choices])
    sums = chances.masked_fill(cut, 0.0).cumsum(-1)  # The likeliest always stays.
    marks = column([choice.draw() for choice in choices]).double() * sums[:, -1:]
    # The last place is for a mark that rounding has put at the very end.
    places = torch.minimum((sums <= marks).sum(-1), (sums < sums[:, -1:]).sum(-1))
    return tokens.gather(1, places[:, None])[:, 0]
