"""The engine: transformers, one thread that owns the model, and all answers in one batch."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Literal, TypeVar

import numpy as np

from service.vision import faults
from service.vision.conversation import Job, Picture, Sampling, Turn
from service.vision.engine.choices import Choices
from service.vision.engine.fitting import Fitting
from service.vision.engine.loading import Loaded, assemble
from service.vision.engine.mailbox import Mailbox
from service.vision.engine.order import OnLoop, Order, Outlet
from service.vision.engine.protocol import EngineBusy, EngineUnusable, Health, JobRefused, Load
from service.vision.share import Full

T = TypeVar("T")

_WARM_SIDES = (28, 448, 4096)
"""Pixels: the smallest picture, a typical one, and one that the model sees at the largest size."""


class TransformersEngine:
    """See `protocol.Engine`."""

    lost = None

    def __init__(self, choices: Choices) -> None:
        self.width = choices.batch
        self._choices = choices
        self._state: Literal["loading", "ready", "stopping", "failed"] = "loading"
        self._loaded: Loaded | None = None
        self.writers = ThreadPoolExecutor(2, thread_name_prefix="prompt")
        """Threads for `order`."""

    async def start(self) -> None:
        try:
            self._loaded = await _in_daemon(lambda: assemble(self._choices))
            for side in _WARM_SIDES:
                await self._warm(side)
            await asyncio.gather(*(self._warm(_WARM_SIDES[0]) for _ in range(self.width)))
        except BaseException as error:
            self._state = "failed"
            if isinstance(error, EngineUnusable) or not isinstance(error, Exception):
                raise
            faults.tell(error)  # A library met what no check of ours had looked at.
            what = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            path = self._choices.path
            raise EngineUnusable(f"{path} cannot be loaded: {what}; next: casemate release verify") from None
        self._state = "ready"

    async def stop(self) -> None:
        self._state = "stopping"
        if self._loaded:
            self._loaded.worker.stop()

    def health(self) -> Health:
        if self._loaded is None:
            return Health(self._state, 0.0)
        return Health(self._state if self._loaded.worker.alive else "failed", self._loaded.worker.beat)

    def load(self) -> Load:
        return self._loaded.worker.load if self._loaded else Load()

    def fit(self, width: int, height: int, *, coarse: bool) -> tuple[int, int]:
        return self.fitting.fit(width, height, coarse=coarse)

    @property
    def fitting(self) -> Fitting:
        """At which size pictures are seen, for whoever asks elsewhere."""
        return self._ready.prompter.fitting

    async def submit(self, job: Job) -> Mailbox:
        order: Order | None = None
        mailbox = Mailbox(lambda: order.cancel() if order else None)
        ordering = self.writers.submit(self.order, job, OnLoop(asyncio.get_running_loop()), mailbox)
        try:
            order = await asyncio.wrap_future(ordering)
        except asyncio.CancelledError:
            ordering.add_done_callback(_forgo)
            raise
        mailbox.prompt_tokens, mailbox.thinks_first = order.prompt.length, order.prompt.thinks_first
        return mailbox

    def order(self, job: Job, outlet: Outlet, address: Any) -> Order:
        """As `submit`, with the events to `outlet`, which may get the first of them before this returns.

        It takes milliseconds, a dozen for each large picture, and may be called from any thread.
        """
        loaded = self._ready
        prompt = loaded.prompter.write(job)
        room, asked = loaded.context - prompt.length, job.sampling.max_new_tokens
        if asked is not None and asked > room:
            message = f"max_completion_tokens: {asked}, expected at most {room} beside these messages"
            raise JobRefused(message, "context_length_exceeded", "max_completion_tokens")
        limit = min(asked or self._choices.max_new_tokens, room)
        order = Order(
            prompt, loaded.defaults.complete(job.sampling), limit, job.principal, outlet, address, job.together
        )
        try:
            loaded.worker.take(order)
        except Full as full:
            raise EngineBusy(str(full)) from None
        return order

    @property
    def _ready(self) -> Loaded:
        if self._loaded is None:
            raise RuntimeError("the engine takes jobs only after start()")
        return self._loaded

    async def _warm(self, side: int) -> None:
        wide, high = self.fit(side, side, coarse=False)
        smaller = np.full((high // 2, wide // 2, 3), 128, np.uint8)  # It is scaled, as most pictures are.
        picture = Picture.upright(smaller, (wide, high), "")
        job = Job((Turn("user", (picture, "?")),), Sampling(max_new_tokens=2, temperature=0.0))
        async for _ in await self.submit(job):
            pass


def _forgo(ordering: Future[Order]) -> None:
    if not ordering.cancelled() and not ordering.exception():
        ordering.result().cancel()


async def _in_daemon(work: Callable[[], T]) -> T:
    """Run in a thread that nobody waits for at the end: minutes of loading must not hold up an exit."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[T] = loop.create_future()

    def tell(finish: Callable[[], None]) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(lambda: None if done.cancelled() else finish())

    def run() -> None:
        try:
            result = work()
        except BaseException as error:
            tell(lambda error=error: done.set_exception(error))  # type: ignore[misc]
        else:
            tell(lambda: done.set_result(result))

    threading.Thread(target=run, name="load", daemon=True).start()
    return await done
