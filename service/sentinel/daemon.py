"""The daemon: its parts, wired; what it does at its start, now and then, and at its end."""

from __future__ import annotations

import signal
import sys
import threading
import time
from functools import partial

from service.sentinel import beginning
from service.sentinel.acceptance import Acceptance
from service.sentinel.answers import WINDOWS, Answers
from service.sentinel.baseline import Baseline, BaselineError
from service.sentinel.bounds import Bounds
from service.sentinel.condition import Condition
from service.sentinel.configuration import Severity, read
from service.sentinel.containers import Containers
from service.sentinel.control import Control
from service.sentinel.coverage import Coverage
from service.sentinel.dirty import Dirty
from service.sentinel.enrolment import Enrolment
from service.sentinel.event import Gap
from service.sentinel.heartbeat import Heartbeat
from service.sentinel.judge import Judge
from service.sentinel.layout import Layout
from service.sentinel.names import Names
from service.sentinel.quarantine import Quarantine
from service.sentinel.reader import Reader
from service.sentinel.readiness import Readiness
from service.sentinel.record import Recorder
from service.sentinel.rehash import Rehash
from service.sentinel.signature import host_name
from service.sentinel.source import chosen
from service.sentinel.sweep import Sweeper, Swept
from service.sentinel.territory import origins
from service.sentinel.tick import Passed, waited
from service.sentinel.who import Asked
from service.sentinel.window import WindowError, Windows

_TICK = 0.5
_ROOTS = 5.0
_ALIVE = 10.0
_ALIVE_FACT = "alive"


class Daemon:
    """`run` returns when it was told to stop, or a part of it has died. Raises ConfigurationError, OSError."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._configuration = configuration = read(layout.configuration)
        for place, mode in ((layout.state, 0o700), (layout.log.parent, 0o750), (layout.runtime, 0o750)):
            place.mkdir(mode, parents=True, exist_ok=True)
        self._recorder = recorder = Recorder(layout.log, configuration, layout.state)
        self._store = store = beginning.opened(layout, recorder.note)
        self._windows = Windows(layout)
        self._windows.restore(store.fact(WINDOWS))
        self._containers = Containers(configuration, layout.docker)
        self._source, self._why = chosen(configuration)
        self._coverage = Coverage(layout, configuration, self._source, self._containers, recorder)
        self._dirty = Dirty(configuration.group_seconds)
        self._sweeper = Sweeper(
            layout.database,
            self._dirty,
            lambda: self._coverage.territory,
            configuration.sweep_seconds,
            self._swept,
            self._source.linked,
        )
        self._quarantine = Quarantine(self._containers, recorder, layout.quarantine, alerts=layout.log)
        self._judge = judge = Judge(
            store,
            self._dirty,
            recorder,
            self._windows,
            territory=lambda: self._coverage.territory,
            meanings=self._containers.meanings,
            sweep=self._sweeper.ask,
            react=self._quarantine.react,
            names=Names(self._source.linked, self._dirty),
        )
        self._bounds = Bounds(lambda: self._coverage.territory, store)
        self._baseline = Baseline(layout, host_name(layout))
        self._acceptance = Acceptance(self._baseline, judge, recorder, self._bounds)
        self._rehash = Rehash(layout.database, self._dirty, judge, configuration.rehash_hours)
        settings = origins(configuration.sets)
        self._enrolment = Enrolment(judge, self._bounds, self._acceptance, self._windows, recorder, settings)
        who = Asked() if configuration.who else None
        self._reader = Reader(
            self._source, self._dirty, lambda: self._coverage.territory, self._gap, self._sweeper.named, who
        )
        self._condition = condition = Condition(
            source=self._source,
            why=self._why,
            since=time.time(),
            reader=self._reader,
            coverage=self._coverage,
            sweeper=self._sweeper,
            sweep_every=configuration.sweep_seconds,
            dirty=self._dirty,
            judge=judge,
            rehash=self._rehash,
            enrolment=self._enrolment,
            windows=self._windows,
            quarantine=self._quarantine,
            containers=self._containers,
            beat=lambda: self._heartbeat.last,
        )
        self._heartbeat = Heartbeat(recorder, condition.state, layout.metrics, configuration.heartbeat_seconds)
        self._answers = Answers(
            judge=judge,
            sweeper=self._sweeper,
            rehash=self._rehash,
            windows=self._windows,
            baseline=self._baseline,
            acceptance=self._acceptance,
            quarantine=self._quarantine,
            recorder=recorder,
            status=condition.status,
        )
        self._readiness = Readiness()
        self._stop = threading.Event()
        self._by_sweep = 0
        self._closing = threading.Thread()
        self._failed: str | None = None

    def run(self) -> int:
        """0 when it was told to stop, 1 when a part of it died."""
        threading.excepthook = self._died
        sys.setswitchinterval(0.001)  # Seconds: the judge must not wait for a sweep.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stop.set())
        self._start()
        roots_due = alive_due = 0.0
        while True:
            self._jumped(waited(self._stop, _TICK))
            if self._stop.is_set():
                break
            now = time.monotonic()
            if now >= roots_due or self._containers.changed.is_set():
                self._containers.changed.clear()
                roots_due = now + _ROOTS
                self._roots()
            self._enrolment.finish()
            self._acceptance.check()
            self._window_over()
            if now >= alive_due and not self._condition.stuck():
                alive_due = now + min(_ALIVE, self._readiness.every or _ALIVE)
                self._dirty.call(lambda: self._judge.keep(_ALIVE_FACT, str(time.time())))
                self._readiness.alive()
            if not self._layout.database.exists():
                self._fail(f"{self._layout.database} was removed; the state is rebuilt from the baseline at the start")
        self._end()
        return 1 if self._failed else 0

    def _start(self) -> None:
        since = self._store.fact(_ALIVE_FACT)
        if self._configuration.containers:
            self._containers.start()
        self._coverage.remember(self._store)
        new, _ = self._coverage.refresh()
        self._coverage.keep(self._store)
        beginning.begin(self._store, self._baseline, self._bounds, self._recorder)
        self._enrolment.begin(self._store, new)
        self._store.commit()
        self._quarantine.start()
        self._judge.start()
        self._reader.start()
        self._sweeper.start()
        self._recorder.note("started", source=self._source.name, why=self._why, roots=len(new))
        if since:
            self._unseen(float(since))
        self._heartbeat.start()
        self._control = Control(self._layout.control, self._answers)
        self._readiness.ready(f"watching {len(new)} roots by {self._source.name}")
        self._rehash.start()

    def _end(self) -> None:
        self._readiness.stopping()
        self._control.close()
        self._reader.close()
        self._rehash.close()
        self._sweeper.close()
        self._dirty.call(lambda: self._judge.keep(_ALIVE_FACT, str(time.time())))
        self._judge.close()
        self._quarantine.close()
        self._containers.close()
        self._heartbeat.close()
        self._recorder.note("stopped", "high" if self._failed else None, why=self._failed or "asked to")
        self._recorder.close()
        self._source.close()

    def _unseen(self, since: float) -> None:
        """Nobody watched from then on until now; the sweep that runs finds what changed."""
        why = "the sentinel did not run"
        severity: Severity | None = None if self._windows.open else "medium"
        self._recorder.note("coverage_gap", severity, root="/", why=why, since=since, until=round(time.time(), 3))

    def _swept(self, sweep: Swept) -> None:
        self._enrolment.swept()
        for why in sweep.unreadable:
            self._recorder.note("unreadable", "high", why=why)
        before, self._by_sweep = self._by_sweep, self._judge.by_sweep
        if self._by_sweep > before:
            seconds = round(sweep.seconds, 3)
            self._recorder.note("swept", seen=sweep.seen, found=self._by_sweep - before, seconds=seconds)

    def _gap(self, gap: Gap) -> None:
        self._coverage.gap(gap, self._sweeper)

    def _roots(self) -> None:
        new, gone = self._coverage.refresh()
        if new:
            self._judge.ask(self._coverage.keep)
        self._enrolment.changed(new, gone)
        for root in {one.root for one in (*new, *gone)}:
            self._sweeper.ask(root, partial(self._enrolment.root_swept, root))

    def _jumped(self, passed: Passed) -> None:
        if passed.stood:
            why = f"the sentinel stood still for {passed.stood:.1f} s: stopped, or the host was"
            self._recorder.note("coverage_gap", "medium", root="/", why=why)
            self._sweeper.everything()
        if passed.jumped:
            self._recorder.note("clock_jumped", "medium", seconds=round(passed.jumped, 3))

    def _window_over(self) -> None:
        window = self._windows.open
        if window and window.over and not self._closing.is_alive():
            self._closing = threading.Thread(target=self._close_window, args=(window.run,), name="window", daemon=True)
            self._closing.start()

    def _close_window(self, run: str) -> None:
        try:
            self._answers.end_window(run, "its time was over")
        except (WindowError, BaselineError, TimeoutError) as error:
            self._recorder.note("window_not_closed", "high", run=run, why=str(error))

    def _died(self, died: threading.ExceptHookArgs) -> None:
        name = died.thread.name if died.thread else "a thread"
        self._fail(f"{name} died: {died.exc_value!r}")
        threading.__excepthook__(died)

    def _fail(self, why: str) -> None:
        """systemd starts it again; it begins with a sweep."""
        if self._failed is None:
            self._failed = why
            self._recorder.note("failed", "critical", why=why)
        self._stop.set()
