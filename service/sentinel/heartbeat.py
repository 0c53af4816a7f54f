"""A sign of life at fixed times, so that silence is an alarm."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.sentinel.exposition import exposition, write
from service.sentinel.record import Recorder


@dataclass(frozen=True)
class State:
    """How the rest of the sentinel is. Times are seconds since 1970, None: never yet.

    `events`, `gaps`: since the process began; `gaps_open`: coverage gaps that no sweep has closed yet. `swept`: paths
    that the last whole sweep saw. `waiting_contents`: files that are still being read. `quarantined`: containers that
    nobody has released. `resident`: bytes. `cpu_seconds`: of all its threads. `window`: the run whose deploy window is
    open. `stuck`: names of threads that gave no sign of life; with one of them it is no beat.
    """

    source: str
    watches: int
    events: int
    swept: int
    swept_at: float | None
    sweep_seconds: float | None
    sweep_every: float
    gaps: int
    gaps_open: int
    waiting_paths: int
    waiting_contents: int
    quarantined: int
    resident: int
    cpu_seconds: float
    baseline_sequence: int | None
    baseline_made: float | None
    baseline_signed: bool
    window: str | None = None
    stuck: tuple[str, ...] = ()


class Heartbeat:
    """A small line in the chain and the file for Prometheus, every so many seconds, from a thread of its own.

    It beats only when `state` answers, nothing is stuck and the ledger took the line: `last` (s, 1970) is then that
    time, and all else lets it grow old.
    """

    def __init__(self, recorder: Recorder, state: Callable[[], State], metrics: Path, every: float) -> None:
        self._recorder = recorder
        self._state = state
        self._metrics = metrics
        self._every = every
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)
        self.last: float | None = None

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join()

    def beat(self) -> None:
        """One beat, now. Raises what `state` raises, and OSError when the file cannot be written."""
        state = self._state()
        told: dict[str, Any] = {
            "source": state.source,
            "watches": state.watches,
            "swept": state.swept_at and round(state.swept_at),
            "gaps_open": state.gaps_open,
            "baseline": state.baseline_sequence,
            "window": state.window,
            "stuck": list(state.stuck) or None,
        }
        written = self._recorder.note("heartbeat", **{name: value for name, value in told.items() if value is not None})
        if written and not state.stuck:
            self.last = time.time()
        write(self._metrics, exposition(state, self._recorder.tally(), self.last))

    def _run(self) -> None:
        while True:
            try:
                self.beat()
            except Exception as error:  # A beat that fails shows as silence; the next one must find a thread.
                with contextlib.suppress(OSError):
                    print(f"no heartbeat: {error!r}", file=sys.stderr, flush=True)
            if self._closing.wait(self._every):
                return
