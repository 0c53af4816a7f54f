"""How the sentinel is: for people, for Prometheus, for systemd's watchdog."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.sentinel import beginning, deviations
from service.sentinel.containers import Containers
from service.sentinel.coverage import Coverage
from service.sentinel.dirty import Dirty
from service.sentinel.enrolment import Enrolment
from service.sentinel.event import Source
from service.sentinel.heartbeat import State
from service.sentinel.judge import Judge
from service.sentinel.quarantine import Quarantine
from service.sentinel.reader import Reader
from service.sentinel.rehash import Rehash
from service.sentinel.sweep import Sweeper
from service.sentinel.window import Windows

_STUCK = 60.0


@dataclass(frozen=True)
class Condition:
    """Of these parts. `why`: this source and no other; `since`: s, 1970; `beat`: when it last was alive."""

    source: Source
    why: str
    since: float
    reader: Reader
    coverage: Coverage
    sweeper: Sweeper
    sweep_every: float
    dirty: Dirty
    judge: Judge
    rehash: Rehash
    enrolment: Enrolment
    windows: Windows
    quarantine: Quarantine
    containers: Containers
    beat: Callable[[], float | None]

    def status(self) -> dict[str, Any]:
        """For people and for `casemate status`: JSON values. Raises TimeoutError."""
        window, last = self.windows.open, self.sweeper.last
        found, deviating = self.judge.ask(lambda store: (beginning.kept(store), deviations.count(store)), 30)
        return {
            "since": round(self.since),
            "source": {
                "name": self.source.name,
                "why": self.why,
                "events": self.reader.events,
                "watching_seconds": round(self.coverage.seconds, 3),
            },
            "roots": len(self.coverage.territory.roots),
            "swept": {"at": round(last.ended), "seen": last.seen, "seconds": round(last.seconds, 3)},
            "gaps": {
                "all": self.coverage.gaps,
                "open": self.coverage.gaps_open,
                "oldest": round(self.coverage.gap_age, 1),
            },
            "waiting": {"paths": len(self.dirty), "contents": len(self.judge.hashing)},
            "reread": round(self.rehash.progress, 3),
            "enrolling": len(self.judge.enrolling),
            "baseline": {"sequence": found.sequence, "signed": bool(found.signature)} if found else None,
            "window": {"run": window.run, "until": round(window.until)} if window else None,
            "alerts": self.judge.alerts,
            "deviating": deviating,
            "quarantined": self._quarantined(),
            "beat": self.beat(),
            "containers": {"count": len(self.containers.found()), "trouble": self.containers.trouble},
            "stuck": list(self.stuck()),
        }

    def state(self) -> State:
        """For the heartbeat."""
        found, last, window = self.enrolment.known, self.sweeper.last, self.windows.open
        return State(
            source=self.source.name,
            watches=self.source.watches,
            events=self.reader.events,
            swept=last.seen,
            swept_at=last.ended or None,
            sweep_seconds=last.seconds or None,
            sweep_every=last.every or self.sweep_every,
            gaps=self.coverage.gaps,
            gaps_open=self.coverage.gaps_open,
            waiting_paths=len(self.dirty),
            waiting_contents=len(self.judge.hashing),
            quarantined=self._quarantined(),
            resident=_resident(),
            cpu_seconds=time.process_time(),
            baseline_sequence=found.sequence if found else None,
            baseline_made=found.made if found else None,
            baseline_signed=bool(found and found.signature),
            window=window.run if window else None,
            stuck=self.stuck(),
        )

    def stuck(self) -> tuple[str, ...]:
        """The names of threads that gave no sign of life for a minute."""
        alive = {"reader": self.reader.alive, "judge": self.judge.alive, "sweeper": self.sweeper.alive}
        now = time.monotonic()
        return tuple(name for name, at in alive.items() if now - at > _STUCK)

    def _quarantined(self) -> int:
        return sum(one["state"] != "released" for one in self.quarantine.list())


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
