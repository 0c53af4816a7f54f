"""The one thread that owns the model."""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

import torch

from service.vision import faults
from service.vision.engine.generation import QueuedGeneration
from service.vision.engine.model import Row
from service.vision.engine.protocol import Done, JobFailed, Load, Text
from service.vision.engine.sampling import Choice
from service.vision.engine.words import Words

_IDLE_SECONDS = 1.0
OUT_OF_MEMORY = "the device has too little memory for this request; next: fewer or smaller pictures, or a shorter text"


class Worker:
    """Takes generations in their order and answers one after the other."""

    def __init__(self, model: Any, words: Words, stops: frozenset[int]) -> None:
        self._model = model
        self._words = words
        self._stops = stops
        self._waiting: queue.SimpleQueue[QueuedGeneration] = queue.SimpleQueue()
        self._stopping = False
        self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    @property
    def beat(self) -> float:
        """Seconds since the thread last finished a step, or found nothing to do."""
        return time.monotonic() - self._beat

    @property
    def load(self) -> Load:
        return Load(0, self._waiting.qsize(), 0, 0, 0, 0, 0)

    def take(self, generation: QueuedGeneration) -> None:
        """Put a generation at the end of the queue; called on the event loop, as `stop` is."""
        if self._stopping:
            generation.put(stopping())
        else:
            self._waiting.put(generation)

    def stop(self) -> None:
        """End after the step that is running; what still waits fails."""
        self._stopping = True

    @torch.inference_mode()
    def _work(self) -> None:
        while not (self._stopping and self._waiting.empty()):
            self._beat = time.monotonic()
            try:
                generation = self._waiting.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                continue
            try:
                self._answer(generation)
            except JobFailed as failure:
                generation.put(failure)
            except torch.OutOfMemoryError:
                generation.put(JobFailed(OUT_OF_MEMORY, "out_of_memory", again=False))
                torch.cuda.empty_cache()
            except Exception as error:  # One broken job must not take the others with it.
                faults.tell(error)
                generation.put(JobFailed("the engine failed at this request", "engine_failed", again=False))
            del generation  # Its pictures are not kept until the next one comes.

    def _answer(self, generation: QueuedGeneration) -> None:
        self._check(generation)
        speech = self._words.speech()
        choice = Choice(generation.sampling, generation.prompt.ids[0])
        row = Row(self._model, generation.prompt)
        token = choice.choose(row.prefill())
        for count in range(1, generation.limit + 1):
            self._check(generation)
            if token in self._stops:
                generation.put(Done("stop", count))
                return
            generation.put(Text(speech.say(token), count))
            if count < generation.limit:
                token = choice.choose(row.step(token))
        generation.put(Done("length", generation.limit))

    def _check(self, generation: QueuedGeneration) -> None:
        self._beat = time.monotonic()
        if generation.cancelled:
            raise JobFailed("the request was cancelled", "cancelled", again=True)
        if self._stopping:
            raise stopping()


def stopping() -> JobFailed:
    """The failure of a job that came too late."""
    return JobFailed("the service is stopping", "stopping", again=True)
