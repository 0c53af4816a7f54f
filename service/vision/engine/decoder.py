"""The language model over rows that are read together and decoded together."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import Any, Protocol

import torch
from torch import nn

from service.vision.engine.fused import unseen
from service.vision.engine.gpu import offer
from service.vision.engine.gpu.graphs import Graphs
from service.vision.engine.prompt import Prompt
from service.vision.engine.slots import Slots

_SPAN = 8
"""Tokens; attention kernels want the mask's rows aligned."""


class CompiledLanguage(Protocol):
    """`Decoder.taken` and `Decoder.begun` with all that they read and change as inputs: see computations.py."""

    def step(self, lined_up: torch.Tensor, reach: torch.Tensor, *kept: torch.Tensor) -> torch.Tensor: ...

    def read(
        self, hidden: torch.Tensor, turns: torch.Tensor, ends: torch.Tensor, *kept: torch.Tensor
    ) -> torch.Tensor: ...


class Decoder:
    """Runs the text model's layers with positions of our own.

    Left to itself the model keeps the offset of the last picture that it saw, of whichever row that was. Rows of other
    lengths are padded on the right, where causal attention never looks from the left of, so that no row's numbers
    depend on its company.
    """

    def __init__(self, model: Any, slots: Slots, context: int) -> None:
        self.slots = slots
        self.compiled: CompiledLanguage | None = None
        """Takes steps and reads prompts instead, where there is one."""
        self._text = model.model.language_model
        self._head = model.lm_head
        self._device = model.device
        # Behind the prompt the three kinds of position are one, and never beyond the number of tokens.
        every = torch.arange(context, device=self._device).expand(3, 1, -1)
        self._turns = self._turned(every)[0, 0]
        self._reach = torch.arange(context + _SPAN)
        on_gpu = self._device.type == "cuda"
        self._step = offer.step(self._text, slots, self._turns) if on_gpu else None
        self._graphs = Graphs(self.taken, slots, self._device) if on_gpu else None

    @property
    def weights(self) -> nn.ModuleList:
        """What `taken` and `begun` compute with."""
        return nn.ModuleList([self._text, self._head])

    @property
    def size(self) -> int:
        """Of what is hidden in a token."""
        size: int = self._text.embed_tokens.embedding_dim
        return size

    @property
    def turns(self) -> torch.Tensor:
        """Of each position (positions, pairs), complex."""
        return self._turns

    def over(self, slots: Slots, turns: torch.Tensor) -> Decoder:
        """The same model with other places for its rows and another form of its turns."""
        one = copy(self)
        one.slots, one._turns = slots, turns
        return one

    def read(self, prompts: Sequence[Prompt], pictures: Sequence[torch.Tensor | None], first: int) -> torch.Tensor:
        """Read prompts into the rows from `first` on; logits (prompts, vocabulary) of each answer's first token."""
        longest = max(prompt.length for prompt in prompts)
        ids = torch.zeros((len(prompts), longest), dtype=torch.long)
        positions = torch.zeros((3, len(prompts), longest), dtype=torch.long)
        for row, prompt in enumerate(prompts):
            ids[row, : prompt.length] = prompt.ids
            positions[:, row, : prompt.length] = prompt.positions
        hidden = self._text.embed_tokens(ids.to(self._device))
        for row, (prompt, picture) in enumerate(zip(prompts, pictures, strict=True)):
            if picture is not None:
                hidden[row, prompt.places.to(self._device)] = picture.to(hidden.dtype)
        turns = self._turned(positions.to(self._device))
        ends = torch.tensor([prompt.length - 1 for prompt in prompts], device=self._device)
        if self.compiled:
            real = torch.view_as_real(turns)
            return self.compiled.read(hidden, real, ends, *self.slots.of(first, len(prompts)))
        self.slots.read_prompts(first)
        return self.begun(hidden, turns, ends)

    def step(self, tokens: list[int], lengths: list[int], offsets: list[int]) -> torch.Tensor:
        """Take each row's latest token; logits (rows, vocabulary) of the next. `lengths` are without that token."""
        span = -(-(max(lengths) + 1) // _SPAN) * _SPAN
        lined_up = [tokens, lengths, offsets]
        if self._graphs:
            return self._graphs.step(lined_up, span)
        step = torch.tensor(lined_up, device=self._device)
        if self.compiled:
            return self.compiled.step(step, self._reach[:span], *self.slots.kept)
        return self.taken(step, span)

    def taken(self, lined_up: torch.Tensor, span: int) -> torch.Tensor:
        """As `step`: tokens, lengths and offsets (3, rows), and how far back rows look."""
        if self._step:
            return self._head(self._step.take(lined_up, span)).float()
        places = lined_up[1]
        hidden = self._text.embed_tokens(lined_up[0, :, None])
        turns = self._turns[places + lined_up[2]][:, None, None]
        self.slots.take_step(places, span)
        return self._logits(self._run(hidden, turns, unseen(places, span, hidden))[:, 0])

    def begun(self, hidden: torch.Tensor, turns: torch.Tensor, ends: torch.Tensor) -> torch.Tensor:
        """As `read`, with the places of its rows ready: `ends` is where each prompt's last token stands."""
        hidden = self._run(hidden, turns, None)
        return self._logits(hidden[torch.arange(ends.shape[0], device=self._device), ends])

    def _turned(self, positions: torch.Tensor) -> torch.Tensor:
        """Positions (3, rows, tokens) as turns (rows, 1, tokens, pairs), complex."""
        exact = torch.empty(0, dtype=torch.float32, device=self._device)
        cosine, sine = self._text.rotary_emb(exact, position_ids=positions)
        return torch.complex(cosine[..., ::2], sine[..., ::2])[:, None]

    def _run(self, hidden: torch.Tensor, turns: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        for index, layer in enumerate(self._text.layers):
            hidden = layer(hidden, turns, mask, self.slots, index)
        return hidden

    def _logits(self, hidden: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self._head(self._text.norm(hidden))
        return logits.float()
