"""`python3 -m service.vision.engine JOBS EVENTS`: an engine in a process of its own, between two inherited sockets.

`separate.py` starts it and is its other end. It ends with the one who started it: when JOBS ends, so does this.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from service.vision import faults
from service.vision.conversation import Job
from service.vision.engine.mailbox import Event
from service.vision.engine.order import Order
from service.vision.engine.protocol import EngineBusy, EngineUnusable, JobFailed, JobRefused, Text
from service.vision.engine.transformers import TransformersEngine
from service.vision.engine.wire import Sender, plain, receive

_LOOK_SECONDS = 0.2


@dataclass(eq=False)
class Served:
    """The engine, and what is under way by the number that the other end gave it: None until its prompt is written."""

    engine: TransformersEngine
    sender: Sender
    orders: dict[int, Order | None] = field(default_factory=dict)
    unwanted: set[int] = field(default_factory=set)
    turn: threading.Lock = field(default_factory=threading.Lock)

    def deliver(self, bag: list[tuple[int, Event]]) -> None:
        """From the engine's thread, straight on: see `order.Outlet`."""
        for number, event in bag:
            if not isinstance(event, Text):
                self._forget(number)
        with contextlib.suppress(OSError):  # Nobody reads any more: the end is near.
            self.sender.send("events", [(number, *plain(event)) for number, event in bag])

    def begin(self, number: int, job: Job) -> None:
        """Have the job taken by one of the engine's threads for that."""
        with self.turn:
            self.orders[number] = None
        self.engine.writers.submit(self._take, number, job)

    def _take(self, number: int, job: Job) -> None:
        """Queue the job, and say what came of it."""
        if number in self.unwanted:
            self._forget(number)
            return
        try:
            order = self.engine.order(job, self, number)
        except JobRefused as refused:
            self._forget(number)
            self.sender.send("refused", number, str(refused), refused.code, refused.param)
        except EngineBusy as busy:
            self._forget(number)
            self.sender.send("busy", number, str(busy))
        except Exception as error:
            faults.tell(error)
            self.deliver([(number, JobFailed("the engine failed at this request", "engine_failed", again=False))])
        else:
            self._began(number, order)
            self.sender.send("taken", number, order.prompt.length, order.prompt.thinks_first)

    def cancel(self, number: int) -> None:
        """Harmless when it has ended."""
        with self.turn:
            if order := self.orders.get(number):
                order.cancel()
            elif number in self.orders:
                self.unwanted.add(number)

    def _began(self, number: int, order: Order) -> None:
        with self.turn:
            if number in self.unwanted:
                order.cancel()
            if number in self.orders:  # It may have ended already.
                self.orders[number] = order

    def _forget(self, number: int) -> None:
        with self.turn:
            self.orders.pop(number, None)
            self.unwanted.discard(number)

    async def look(self) -> None:
        """Say every now and then how it is."""
        while True:
            health = self.engine.health()
            load = replace(self.engine.load(), resident=_resident())
            self.sender.send("state", health.state, asyncio.get_running_loop().time() - health.beat, load)
            await asyncio.sleep(_LOOK_SECONDS)


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def serve(jobs: socket.socket, sender: Sender) -> None:
    """Until the other end has gone."""
    loop = asyncio.get_running_loop()
    (choices,) = await loop.run_in_executor(None, receive, jobs)
    engine = TransformersEngine(choices)
    try:
        await engine.start()
    except EngineUnusable as error:
        sender.send("unusable", str(error))
        return
    # What is loaded stays: looking through it for garbage again and again would stop everything for 0.2 s.
    gc.collect()
    gc.freeze()
    served = Served(engine, sender)
    does: dict[str, Callable[..., object]] = {"take": served.begin, "cancel": served.cancel}

    def listen() -> None:
        try:
            while True:
                what, *rest = receive(jobs)
                does[what](*rest)
                del rest  # The next message may be long in coming, and this one have large pictures.
        except (EOFError, OSError):
            os._exit(0)
        except Exception as error:
            faults.tell(error)
            os._exit(1)  # Nobody would hear the next job; the service starts another one.

    sender.send("ready", engine.fitting)
    threading.Thread(target=listen, name="listen", daemon=True).start()
    await served.look()


def main() -> None:
    """Until told to end, or until it is said that the engine is unusable."""
    for one in (signal.SIGTERM, signal.SIGINT):  # Whoever started it lets it go when all is answered.
        signal.signal(one, signal.SIG_IGN)
    jobs, events = (socket.socket(fileno=int(number)) for number in sys.argv[1:])
    with contextlib.suppress(OSError, EOFError):
        asyncio.run(serve(jobs, Sender(events)))


if __name__ == "__main__":
    main()
    sys.stderr.flush()
    os._exit(0)
