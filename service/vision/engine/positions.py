"""Where tokens stand: in time, height and width (M-RoPE, as transformers' `get_rope_index` of GLM-4V has it)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch


def positions(
    length: int, places: torch.Tensor, grids: Sequence[tuple[int, int, int]], merge: int
) -> tuple[torch.Tensor, int]:
    """int64 (3, length), and how far they are ahead of the number of tokens at the end.

    `places`: which of the tokens are pictures'; `grids`: patches of each picture in time, height, width, of which
    `merge` each way make a token. Text goes on in all three at once; a picture's tokens share one moment, and take as
    many positions as its longer side.
    """
    placed = np.empty((3, length), np.int64)
    token = at = seen = 0
    for _, patches_high, patches_wide in grids:
        high, wide = patches_high // merge, patches_wide // merge
        start = int(places[seen])
        placed[:, token:start] = np.arange(at, at + start - token)
        at += start - token
        token, seen = start + high * wide, seen + high * wide
        placed[0, start:token] = at
        placed[1, start:token] = np.arange(at, at + high).repeat(wide)
        placed[2, start:token] = np.tile(np.arange(at, at + wide), high)
        at += max(high, wide)
    placed[:, token:] = np.arange(at, at + length - token)
    return torch.from_numpy(placed), at - token
