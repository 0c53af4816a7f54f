"""What is asked of an engine, free of HTTP and of any library's form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

_FIRST_ON_ITS_SIDE = 5


def on_its_side(orientation: int) -> bool:
    """Whether EXIF says that rows are columns."""
    return orientation >= _FIRST_ON_ITS_SIDE


@dataclass(frozen=True, eq=False)
class Picture:
    """Decoded pixels; to scale them to `size` and to turn them is the engine's (`engine/scaling.py`), who is quicker.

    pixels: uint8 (height, width, 3), RGB. orientation: as EXIF counts, 1 is upright. size: width and height at which
    the model sees it, upright. sha256: of the file as it came. width and height: upright and before anything was
    scaled.
    """

    pixels: NDArray[np.uint8]
    orientation: int
    size: tuple[int, int]
    sha256: str
    width: int
    height: int

    @classmethod
    def upright(cls, pixels: NDArray[np.uint8], size: tuple[int, int], sha256: str) -> Picture:
        """One that came as it is."""
        height, width, _ = pixels.shape
        return cls(pixels, 1, size, sha256, width, height)


@dataclass(frozen=True)
class Turn:
    """One message: texts and pictures in their order; `reasoning` is what an assistant thought before it answered."""

    role: Literal["system", "user", "assistant"]
    parts: tuple[str | Picture, ...]
    reasoning: str | None = None

    @property
    def texts(self) -> tuple[str, ...]:
        """All text in it, the reasoning first."""
        return (*([self.reasoning] if self.reasoning else []), *(part for part in self.parts if isinstance(part, str)))

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """In their order."""
        return tuple(part for part in self.parts if isinstance(part, Picture))


@dataclass(frozen=True)
class Sampling:
    """How to choose tokens; None is the model's own default. Temperature 0 takes the likeliest. Top-k 0 is off."""

    max_new_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    repetition_penalty: float | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Job:
    """One answer to generate. `thinking` None leaves it to the model's chat template; `principal` is who asks.

    So many words may be told `together`: 1 where they are shown as they come.
    """

    turns: tuple[Turn, ...]
    sampling: Sampling = Sampling()
    thinking: bool | None = None
    principal: str = ""
    together: int = 1

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """In the order in which the model sees them."""
        return tuple(picture for turn in self.turns for picture in turn.pictures)
