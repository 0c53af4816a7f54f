"""What the service asks of an engine. Validation, audit, limits and error shapes know nothing beyond this."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from service.vision.conversation import Job


@dataclass(frozen=True)
class Text:
    """More of the answer, markers such as <think> included; `tokens` have been generated so far.

    `at`: when, by the monotonic clock; whoever reads may come to it later.
    """

    text: str
    tokens: int
    at: float = field(default_factory=time.monotonic, compare=False)


@dataclass(frozen=True)
class Done:
    """The end of the answer: the model stopped, or the length was reached."""

    reason: Literal["stop", "length"]
    tokens: int
    at: float = field(default_factory=time.monotonic, compare=False)


@dataclass(frozen=True)
class Health:
    """`beat` is the age in seconds of the engine's last sign of life."""

    state: Literal["loading", "ready", "stopping", "failed"]
    beat: float


@dataclass(frozen=True)
class Load:
    """What the engine is busy with, for metrics. `resident`: bytes in memory of its process, if that is one of its own.

    `cache_*` counts tokens of keys and values that all rows may hold. The rest only grows: tokens `generated`,
    `pictures` read, those of them whose features were still known; jobs that `began` to be answered, and the seconds
    that these had `waited` for it.
    """

    running: int = 0
    waiting: int = 0
    cache_used: int = 0
    cache_size: int = 0
    generated: int = 0
    pictures: int = 0
    pictures_known: int = 0
    began: int = 0
    waited: float = 0.0
    resident: int = 0


class EngineUnusable(Exception):
    """The engine cannot start: says what, where and what next."""


class EngineBusy(Exception):
    """Too much waits already; the same job may be taken later."""


class JobRefused(Exception):
    """The job can never be done; `code` and `param` are the API's."""

    def __init__(self, message: str, code: str, param: str) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class JobFailed(Exception):
    """The job was begun and could not be finished; `again` says whether the same job may succeed later."""

    def __init__(self, message: str, code: str, again: bool) -> None:
        super().__init__(message)
        self.code = code
        self.again = again


def stopping() -> JobFailed:
    """The failure of a job that came too late."""
    return JobFailed("the service is stopping", "stopping", again=True)


class Generation(Protocol):
    """One answer in the making."""

    @property
    def prompt_tokens(self) -> int: ...

    @property
    def thinks_first(self) -> bool:
        """Whether the prompt ends inside the thinking, so that the answer begins with it."""

    def __aiter__(self) -> AsyncIterator[Sequence[Text | Done]]:
        """Texts, then one Done; what has come in the meantime together. Raises JobFailed."""

    def cancel(self) -> None:
        """Stop within one decoding step, and free what it holds. Harmless when it has ended."""


class Engine(Protocol):
    """A loaded model."""

    @property
    def width(self) -> int:
        """How many jobs are decoded at once; more wait."""

    @property
    def lost(self) -> str | None:
        """Why it will never answer again, although it did; None as long as it may."""

    async def start(self) -> None:
        """Load and warm up; returns when ready. Raises EngineUnusable."""

    async def stop(self) -> None:
        """Let go of everything; what still runs fails with JobFailed."""

    def health(self) -> Health: ...

    def load(self) -> Load: ...

    def fit(self, width: int, height: int, *, coarse: bool) -> tuple[int, int]:
        """The size, in pixels, at which the model sees a picture of this size; `coarse` trades detail for time."""

    async def submit(self, job: Job) -> Generation:
        """Take a job. Raises JobRefused for what it can never do, EngineBusy while too many tokens wait; how many jobs
        may wait is bounded by the service.
        """
