"""A decode step's way through the layers on an NVIDIA GPU."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.attention.varlen import varlen_attn

from service.vision.engine.fused import attended, normed, unseen
from service.vision.engine.gpu.kernels import Kernels
from service.vision.engine.slots import Slots


class Step:
    """Computes what the layers compute (layer.py), with fewer and larger kernels.

    Attention is FlashAttention's for caches, in half precision: it reads as far as a row goes, and shares a long row's
    keys among many processors, where a kernel made for prompts leaves most of them idle. In fp32, which it does not
    know, it is the library's usual one.
    """

    def __init__(self, text: Any, slots: Slots, turns: torch.Tensor, kernels: Kernels) -> None:
        self._text, self._slots, self._kernels = text, slots, kernels
        self._turns = turns.contiguous()

    def take(self, lined_up: torch.Tensor, span: int) -> torch.Tensor:
        """Tokens, places and offsets (3, rows), all places below `span`; gives (rows, hidden size), normed."""
        layers, kernels = self._text.layers, self._kernels
        hidden = self._text.embed_tokens(lined_up[0])
        seen = normed(hidden, layers[0].before)
        look = self._lengths(lined_up[1], span) if hidden.dtype != torch.float32 else self._mask(lined_up[1], span)
        following = [*(layer.before for layer in layers[1:]), self._text.norm]
        for layer, kept, after in zip(layers, self._slots.kept, following, strict=True):
            queries = kernels.turn(layer.looks(seen), self._turns, lined_up, kept)
            found = look(queries, kept).reshape(len(hidden), -1)
            seen = kernels.add_norm(hidden, layer.looked(found), layer.after, layer.before_mlp)
            seen = kernels.add_norm(hidden, layer.narrowed(kernels.gate(layer.widened(seen))), layer.after_mlp, after)
        return seen

    def _lengths(self, places: torch.Tensor, span: int) -> Any:
        rows = len(places)
        used = (places + 1).int()
        each = torch.arange(rows + 1, device=places.device, dtype=torch.int32)
        _, both, width, size = self._slots.kept[0].shape
        heads, starts = both // 2, each * (both * width)
        # All rows' keys as one run of tokens, as the kernel wants it: heads lie `width` tokens apart in it, and a row
        # is as many as its keys and values have together.
        run = (rows * both * width - (both - 1) * width, heads, size)

        def look(queries: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
            keys = kept.as_strided(run, (size, width * size, 1))
            values = kept.as_strided(run, (size, width * size, 1), kept.storage_offset() + heads * width * size)
            return varlen_attn(queries, keys, values, each, starts, 1, span, enable_gqa=True, seqused_k=used)

        return look

    def _mask(self, places: torch.Tensor, span: int) -> Any:
        mask = unseen(places, span, self._slots.kept[0])

        def look(queries: torch.Tensor, kept: torch.Tensor) -> torch.Tensor:
            keys, values = kept[: len(queries), :, :span].chunk(2, dim=1)
            return attended(queries, keys, values, mask)

        return look
