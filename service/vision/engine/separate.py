"""An engine in a process of its own: it computes without waiting for HTTP's turns, and its death is not the service's.

The service's process loads neither torch nor transformers. When the engine's process dies (the kernel kills it for
memory, a kernel of the GPU fails for good) whoever waits is told, and another one is started in its place.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import pickle
import socket
import subprocess
import sys
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal

from service.vision import faults
from service.vision.conversation import Job
from service.vision.engine.choices import Choices
from service.vision.engine.fitting import Fitting
from service.vision.engine.mailbox import Mailbox
from service.vision.engine.protocol import EngineBusy, EngineUnusable, Health, JobFailed, JobRefused, Load, stopping
from service.vision.engine.wire import HEAD, Sender, event_of

_DEATHS = 3
_WITHIN_SECONDS = 900.0


class SeparateEngine:
    """See `protocol.Engine`."""

    def __init__(self, choices: Choices) -> None:
        self.width = choices.batch
        self._choices = choices
        self.lost: str | None = None
        self._state: Literal["loading", "ready", "stopping", "failed"] = "loading"
        self._beat = time.monotonic()
        self._load = Load()
        self._fitting: Fitting | None = None
        self._numbers = itertools.count()
        self._mailboxes: dict[int, Mailbox] = {}
        self._taken: dict[int, asyncio.Future[None]] = {}
        self._post = ThreadPoolExecutor(1, thread_name_prefix="jobs")
        self._process: subprocess.Popen[bytes] | None = None
        self._sender: Sender | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        reader = await self._begin()
        self._keeper = asyncio.create_task(self._keep(reader))

    async def stop(self) -> None:
        self._state = "stopping"
        if self._keeper:
            self._keeper.cancel()
        self._lose(stopping())
        self._end()

    def health(self) -> Health:
        return Health(self._state, max(0.0, time.monotonic() - self._beat))

    def load(self) -> Load:
        return self._load

    def fit(self, width: int, height: int, *, coarse: bool) -> tuple[int, int]:
        if self._fitting is None:
            raise RuntimeError("the engine takes jobs only after start()")
        return self._fitting.fit(width, height, coarse=coarse)

    async def submit(self, job: Job) -> Mailbox:
        if self._state == "stopping":
            raise stopping()
        if self._state != "ready":
            raise _died()
        number = next(self._numbers)
        mailbox = Mailbox(lambda: self._cancel(number))
        taken = asyncio.get_running_loop().create_future()
        self._mailboxes[number], self._taken[number] = mailbox, taken
        try:
            self._post.submit(self._hand_in, self._sender, taken.get_loop(), number, job)
            await taken
        except BaseException:
            self._cancel(number)
            raise
        finally:
            self._taken.pop(number, None)
            del taken  # A failure that it holds holds this frame, and the pictures of the job: a circle.
        return mailbox

    async def _begin(self) -> asyncio.StreamReader:
        """Start the process and wait until it is ready. Raises EngineUnusable."""
        jobs, theirs = socket.socketpair()
        events, out = socket.socketpair()
        with theirs, out:
            command = [sys.executable, "-m", "service.vision.engine", str(theirs.fileno()), str(out.fileno())]
            try:
                self._process = subprocess.Popen(command, pass_fds=(theirs.fileno(), out.fileno()))
            except OSError as error:
                what = f"the engine's process cannot be started: {error}"
                raise EngineUnusable(f"{what}; next: a larger vision.memory or vision.pids") from error
        if self._sender:
            self._sender.close()
        if self._writer:
            self._writer.close()
        self._sender = Sender(jobs)
        reader, self._writer = await asyncio.open_connection(sock=events)
        try:
            await self._send(self._choices)
            what, told = await _next(reader)
        except (EOFError, JobFailed):
            how = f"the engine's process {await self._status()} while it loaded {self._choices.path}"
            raise EngineUnusable(f"{how}; next: docker logs, and dmesg for out of memory") from None
        if what == "unusable":
            raise EngineUnusable(told)
        self._fitting, self._state, self._beat = told, "ready", time.monotonic()
        return reader

    async def _keep(self, reader: asyncio.StreamReader) -> None:
        """Hand over what it tells; when it dies start another one, unless it does so again and again."""
        deaths: deque[float] = deque(maxlen=_DEATHS)
        while True:
            with contextlib.suppress(EOFError, OSError):
                while True:
                    self._told(*await _next(reader))
            self._state = "loading"
            self._load = Load(cache_size=self._load.cache_size)
            self._lose(_died())
            deaths.append(time.monotonic())
            how = f"the engine's process {await self._status()}"
            if len(deaths) == _DEATHS and deaths[-1] - deaths[0] < _WITHIN_SECONDS:
                return self._give_up(f"{how}, {_DEATHS} times now; next: docker logs, and dmesg for out of memory")
            print(f"{how}; another one is started", file=sys.stderr, flush=True)
            try:
                reader = await self._begin()
            except EngineUnusable as error:
                return self._give_up(str(error))

    def _give_up(self, why: str) -> None:
        self._state, self.lost = "failed", why

    def _told(self, what: str, *rest: Any) -> None:
        if what == "events":
            for number, *told in rest[0]:
                if mailbox := self._mailboxes.get(number):
                    event = event_of(tuple(told))
                    mailbox.take(event)
                    if told[0]:
                        self._forget(number, event if isinstance(event, JobFailed) else None)
        elif what == "state":
            state, self._beat, self._load = rest
            if state == "failed":
                self._end()
        elif what == "taken":
            number, tokens, thinks = rest
            if mailbox := self._mailboxes.get(number):
                mailbox.prompt_tokens, mailbox.thinks_first = tokens, thinks
            self._settle(number, None)
        elif what == "refused":
            self._settle(rest[0], JobRefused(*rest[1:]))
        elif what == "busy":
            self._settle(rest[0], EngineBusy(rest[1]))

    def _settle(self, number: int, error: Exception | None) -> None:
        if error:
            self._mailboxes.pop(number, None)
        taken = self._taken.get(number)
        if taken and not taken.done():
            if error:
                taken.set_exception(error)
            else:
                taken.set_result(None)

    def _forget(self, number: int, failure: JobFailed | None) -> None:
        """It has ended: a job that failed before it was taken is refused by the same failure."""
        self._settle(number, failure)
        self._mailboxes.pop(number, None)

    def _lose(self, failure: JobFailed) -> None:
        for number, mailbox in list(self._mailboxes.items()):
            mailbox.take(failure)
            self._forget(number, failure)

    def _cancel(self, number: int) -> None:
        if self._mailboxes.pop(number, None) and self._state == "ready":
            self._post.submit(_quietly, self._sender, "cancel", number)

    def _hand_in(self, sender: Sender | None, loop: asyncio.AbstractEventLoop, number: int, job: Job) -> None:
        """Nobody waits for this alone: when the process has gone, `_lose` tells it to whoever waits for an answer.

        What was meant for one process must not reach the next one, which knows nothing of it: so `sender` is given.
        """
        try:
            _quietly(sender, "take", number, job)
        except Exception as error:
            faults.tell(error)
            failure = JobFailed("the service failed at this request", "internal_error", again=False)
            loop.call_soon_threadsafe(self._settle, number, failure)

    async def _send(self, *message: Any) -> None:
        """In the order of the calls. Raises JobFailed when the process has gone."""
        assert self._sender
        try:
            await asyncio.get_running_loop().run_in_executor(self._post, self._sender.send, *message)
        except OSError:
            raise _died() from None

    async def _status(self) -> str:
        """How it ended."""
        assert self._process
        status = await asyncio.get_running_loop().run_in_executor(None, self._process.wait)
        return f"was killed by signal {-status}" if status < 0 else f"ended with {status}"

    def _end(self) -> None:
        if self._process:
            self._process.kill()


def _quietly(sender: Sender | None, *message: Any) -> None:
    assert sender
    with contextlib.suppress(OSError):
        sender.send(*message)


async def _next(reader: asyncio.StreamReader) -> tuple[Any, ...]:
    """What it tells, no buffers beside it. Raises EOFError when the process has gone."""
    try:
        length, _ = HEAD.unpack(await reader.readexactly(HEAD.size))
        message: tuple[Any, ...] = pickle.loads(await reader.readexactly(length))  # noqa: S301  see wire.py
    except (asyncio.IncompleteReadError, ConnectionError):
        raise EOFError from None
    return message


def _died() -> JobFailed:
    return JobFailed("the engine died, and is being started again", "engine_failed", again=True)
