"""The one thread that owns the model: rows join before any step, and leave after any."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence

import torch

from service.vision import faults
from service.vision.engine.decoder import Decoder
from service.vision.engine.features import Features
from service.vision.engine.mailbox import Event
from service.vision.engine.order import Order, Post
from service.vision.engine.protocol import Done, JobFailed, Load, Text, stopping
from service.vision.engine.row import Row, width
from service.vision.engine.sampling import Choice, choose
from service.vision.engine.waiting import Waiting
from service.vision.engine.words import Words
from service.vision.share import Shares

_IDLE_SECONDS = 1.0
OUT_OF_MEMORY = "the device has too little memory for this request; next: fewer or smaller pictures, or a shorter text"


class Worker:
    """Decodes up to `rows` answers at once; prompts of up to `prefill` tokens together are read between two steps.

    `waiting` is shared out in tokens of prompts.
    """

    def __init__(
        self,
        decoder: Decoder,
        features: Features,
        words: Words,
        stops: frozenset[int],
        rows: int,
        prefill: int,
        waiting: Shares,
    ) -> None:
        self._decoder = decoder
        self._features = features
        self._words = words
        self._stops = stops
        self._most_rows = rows
        self._prefill = prefill
        self._inbox: queue.SimpleQueue[Order] = queue.SimpleQueue()
        self._waiting = Waiting()
        self._rows: list[Row] = []
        self._post = Post()
        self._generated = 0
        self._began, self._waited = 0, 0.0
        self._waiting_tokens = waiting
        self._queue_lock = threading.Lock()
        self._stopping = False
        self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def beat(self) -> float:
        """Seconds since the thread last showed life: finished a step or came to a layer, or found nothing to do."""
        return time.monotonic() - self._beat

    def show_life(self) -> None:
        """Called by the thread in the middle of what may take minutes."""
        self._beat = time.monotonic()

    @property
    def load(self) -> Load:
        """A look from another thread: each figure is right for itself."""
        return Load(
            running=len(self._rows),
            waiting=self._waiting.count + self._inbox.qsize(),
            cache_used=sum(row.length for row in tuple(self._rows)),
            cache_size=self._decoder.slots.tokens,
            generated=self._generated,
            pictures=self._features.read,
            pictures_known=self._features.known,
            began=self._began,
            waited=self._waited,
        )

    def take(self, order: Order) -> None:
        """Put an order into the queue; from any thread, as `stop`. Raises Full."""
        with self._queue_lock:
            if not self._stopping:
                self._waiting_tokens.take(order.principal, self._counted(order))
                self._inbox.put(order)
                return
        order.outlet.deliver([(order.address, stopping())])

    def stop(self) -> None:
        """End after the step that is running; what still runs or waits fails."""
        with self._queue_lock:  # Who is in the queue by now is still told; nobody comes after.
            self._stopping = True

    @torch.inference_mode()
    def _work(self) -> None:
        while not self._stopping:
            self._receive()
            self._drop_cancelled()
            self._admit()
            self._step()
            self._post.send()
            self.show_life()
        for row in self._rows:
            self._post.put(row.order, stopping())
        self._rows.clear()
        self._receive()
        while self._waiting.count:
            self._post.put(self._left_queue(self._waiting.pop(())), stopping())
        self._post.send()

    def _receive(self) -> None:
        try:
            if not self._rows and not self._waiting.count and not self._stopping:
                self._waiting.put(self._inbox.get(timeout=_IDLE_SECONDS))
            while True:
                self._waiting.put(self._inbox.get_nowait())
        except queue.Empty:
            return

    def _drop_cancelled(self) -> None:
        for row in [row for row in self._rows if row.order.cancelled]:
            self._leave(row, cancelled())
        for order in self._waiting.drop_cancelled():
            self._post.put(self._left_queue(order), cancelled())

    def _left_queue(self, order: Order) -> Order:
        with self._queue_lock:
            self._waiting_tokens.give_back(order.principal, self._counted(order))
        return order

    def _counted(self, order: Order) -> int:
        """Tokens; a prompt that is longer than the queue is let in where nothing else waits."""
        return min(order.prompt.length, self._waiting_tokens.most)

    def _admit(self) -> None:
        """Let those in who fit, and read their prompts; the first who does not holds up the rest, or would starve."""
        joining: list[Order] = []
        while self._next_fits(joining):
            joining.append(self._left_queue(self._waiting.pop(self._running(joining))))
        if joining:
            self._try(joining)

    def _try(self, joining: Sequence[Order]) -> None:
        try:
            self._join(joining)
        except Exception as error:
            if len(joining) == 1:
                self._fail(joining[0], error)
                return
            for one in joining:  # One of them is to blame, and the others must not pay for it.
                self._try([one])

    def _next_fits(self, joining: Sequence[Order]) -> bool:
        one = self._waiting.next(self._running(joining))
        rows = len(self._rows) + len(joining) + 1
        if one is None or rows > self._most_rows:
            return False
        together = [*joining, one]
        if joining and len(together) * max(each.prompt.length for each in together) > self._prefill:
            return False
        return self._decoder.slots.holds(rows, self._width(together))

    def _running(self, joining: Sequence[Order]) -> list[Order]:
        return [*(row.order for row in self._rows), *joining]

    def _width(self, joining: Sequence[Order]) -> int:
        return max(map(width, self._running(joining)))

    def _join(self, joining: Sequence[Order]) -> None:
        began, first = time.monotonic(), len(self._rows)
        self._decoder.slots.make_room(first + len(joining), self._width(joining), kept=first)
        pictures = self._features.of([one.prompt for one in joining])
        logits = self._decoder.read([one.prompt for one in joining], pictures, first)
        rows = [
            Row(one, Choice(one.sampling, one.prompt.ids), self._words.speech(), one.prompt.length) for one in joining
        ]
        tokens = choose(logits, [row.choice for row in rows])
        self._rows += rows
        self._began += len(joining)
        self._waited += sum(began - order.since for order in joining)
        self._advance(rows, tokens)

    def _step(self) -> None:
        if not self._rows:
            return
        rows = list(self._rows)
        try:
            logits = self._decoder.step(
                [row.token for row in rows], [row.length for row in rows], [row.offset for row in rows]
            )
            tokens = choose(logits, [row.choice for row in rows])
        except torch.OutOfMemoryError as error:  # The latest goes; a step that was not taken can be taken again.
            self._fail(rows[-1].order, error)
            self._leave(rows[-1])
            return
        except Exception as error:  # Nobody knows which row is to blame.
            for row in reversed(rows):
                self._fail(row.order, error)
                self._leave(row)
            return
        for row in rows:
            row.length += 1
        self._advance(rows, tokens)

    def _advance(self, rows: Sequence[Row], tokens: Sequence[int | None]) -> None:
        """Take what was chosen for each row; who is done leaves."""
        for row, token in zip(rows, tokens, strict=True):
            if token is None:
                self._decoder.slots.clear(self._rows.index(row))
                self._leave(row, JobFailed("the model computed no number", "engine_failed", again=False))
                continue
            row.chosen += 1
            self._generated += 1
            if token in self._stops:
                self._leave(row, Done("stop", row.chosen))
                continue
            row.token = token
            try:
                self._post.put(row.order, Text(row.speech.say(token), row.chosen))
            except Exception as error:  # The tokenizer's, and this row's own.
                self._fail(row.order, error)
                self._leave(row)
                continue
            if row.chosen >= row.order.limit:
                self._leave(row, Done("length", row.chosen))

    def _leave(self, row: Row, event: Event | None = None) -> None:
        """The last row moves into the place that becomes free."""
        if event is not None:
            self._post.put(row.order, event)
        place, last = self._rows.index(row), self._rows.pop()
        if last is not row:
            self._decoder.slots.move(len(self._rows), place, last.length)
            self._rows[place] = last

    def _fail(self, order: Order, error: Exception) -> None:
        if isinstance(error, torch.OutOfMemoryError):
            self._post.put(order, JobFailed(OUT_OF_MEMORY, "out_of_memory", again=False))
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            return
        faults.tell(error)
        self._post.put(order, JobFailed("the engine failed at this request", "engine_failed", again=False))


def cancelled() -> JobFailed:
    """The failure of a job that nobody waits for any more."""
    return JobFailed("the request was cancelled", "cancelled", again=True)
