"""Choosing the next token, each row by its own rules and from its own stream of chance."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from service.vision.conversation import Sampling


@dataclass(frozen=True)
class Defaults:
    """What the checkpoint's generation_config.json says: how it samples if nobody asks, and where an answer ends."""

    sampling: Sampling
    stops: frozenset[int]

    @classmethod
    def read(cls, path: Path, stops: int | Iterable[int]) -> Defaults:
        """`stops` are the end tokens of config.json, for a checkpoint without a generation_config.json."""
        file = path / "generation_config.json"
        given = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        ends = given.get("eos_token_id", stops)
        sampling = Sampling(
            temperature=given.get("temperature", 1.0) if given.get("do_sample") else 0.0,
            top_p=given.get("top_p", 1.0),
            top_k=given.get("top_k", 0),
            repetition_penalty=given.get("repetition_penalty", 1.0),
        )
        return cls(sampling, frozenset([ends] if isinstance(ends, int) else ends))

    def complete(self, asked: Sampling) -> Sampling:
        """Fill in what was not asked for."""
        missing = {name: value for name, value in vars(self.sampling).items() if getattr(asked, name) is None}
        return replace(asked, **missing)


class Choice:
    """One row's choices: the same seed chooses the same from the same logits, on any device and in any company."""

    def __init__(self, sampling: Sampling, prompt: torch.Tensor) -> None:
        self._temperature = sampling.temperature or 0.0
        self._top_p = 1.0 if sampling.top_p is None else sampling.top_p
        self._top_k = sampling.top_k or 0
        self._penalty = sampling.repetition_penalty or 1.0
        self._used = prompt.unique() if self._penalty != 1.0 else prompt[:0]
        self._chance = torch.Generator()
        self._chance.manual_seed(secrets.randbits(63) if sampling.seed is None else sampling.seed & (2**64 - 1))

    def choose(self, logits: torch.Tensor) -> int:
        """The next token for logits of shape (vocabulary,)."""
        if self._penalty != 1.0:
            logits = self._penalised(logits.float().cpu())
        if self._temperature == 0.0:
            chosen = int(logits.argmax())
        else:
            chosen = self._drawn(logits.float().cpu() / self._temperature)
        if self._penalty != 1.0:
            self._used = torch.cat([self._used, torch.tensor([chosen])]).unique()
        return chosen

    def _penalised(self, logits: torch.Tensor) -> torch.Tensor:
        logits = logits.clone()
        used = logits[self._used]
        logits[self._used] = torch.where(used < 0, used * self._penalty, used / self._penalty)
        return logits

    def _drawn(self, logits: torch.Tensor) -> int:
        count = min(self._top_k, len(logits)) if self._top_k > 0 else len(logits)
        values, tokens = logits.topk(count) if count < len(logits) else logits.sort(descending=True)
        chances = values.softmax(-1)
        if self._top_p < 1.0:
            before = chances.cumsum(-1) - chances  # The likeliest always stays.
            chances = chances.masked_fill(before >= self._top_p, 0.0)
        return int(tokens[torch.multinomial(chances, 1, generator=self._chance)])
