"""An engine that says what a test tells it to, by the same protocol as the real ones."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from service.vision.conversation import Job
from service.vision.engine.protocol import Done, EngineBusy, Health, JobFailed, JobRefused, Load, Text

Say = str | float | JobFailed
"""A text, a pause in seconds, or a failure."""


@dataclass
class ScriptedGeneration:
    """Says its script, one entry a token."""

    script: Sequence[Say]
    reason: str
    stopped: Callable[[], bool]
    prompt_tokens: int = 7
    thinks_first: bool = False
    together: int = 1
    cancelled: bool = False
    said: int = 0

    def cancel(self) -> None:
        self.cancelled = True

    async def __aiter__(self) -> AsyncIterator[list[Text | Done]]:
        told: list[Text | Done] = []
        for what in self.script:
            if told and (len(told) == self.together or not isinstance(what, str)):
                yield told
                told = []
            if isinstance(what, JobFailed):
                raise what
            if isinstance(what, float):
                await self._pause(what)
                continue
            self.said += 1
            told.append(Text(what, self.said))
        yield [*told, Done("length" if self.reason == "length" else "stop", self.said)]

    async def _pause(self, seconds: float) -> None:
        end = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < end:
            if self.stopped():
                raise JobFailed("the service is stopping", "stopping", again=True)
            await asyncio.sleep(0.01)


@dataclass
class ScriptedEngine:
    """Set `script`, `reason`, `refusal` and `state` before a request; `generations` and `jobs` show what came.

    So many words come `together`, if there is no pause between them.
    """

    script: Sequence[Say] = ("It", " is", " red.")
    reason: str = "stop"
    thinks_first: bool = False
    together: int = 1
    lost: str | None = None
    refusal: JobRefused | JobFailed | EngineBusy | None = None
    state: str = "ready"
    beat: float = 0.0
    width: int = 2
    jobs: list[Job] = field(default_factory=list)
    generations: list[ScriptedGeneration] = field(default_factory=list)

    async def start(self) -> None:
        pass

    async def stop(self) -> None:
        self.state = "stopping"

    def stopped(self) -> bool:
        return self.state == "stopping"

    def health(self) -> Health:
        return Health(self.state, self.beat)  # type: ignore[arg-type]

    def load(self) -> Load:
        running = sum(not one.cancelled for one in self.generations)
        return Load(running, 0, cache_used=7 * running, cache_size=1024)

    def fit(self, width: int, height: int, *, coarse: bool) -> tuple[int, int]:
        return (8, 8) if coarse else (16, 16)

    async def submit(self, job: Job) -> ScriptedGeneration:
        self.jobs.append(job)
        if self.refusal:
            raise self.refusal
        generation = ScriptedGeneration(
            self.script, self.reason, self.stopped, thinks_first=self.thinks_first, together=self.together
        )
        self.generations.append(generation)
        return generation
