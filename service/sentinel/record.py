"""What was found, into the ledger and from there to the outlets."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.ledger import Ledger, LedgerError
from service.ledger.chain import LONGEST_LINE, RESERVED
from service.sentinel.change import Change
from service.sentinel.configuration import Configuration, Severity
from service.sentinel.outlets.dispatch import Dispatch, receivers, recorded
from service.sentinel.outlets.journald import SOCKET
from service.sentinel.outlets.message import RANKS, Told, cut
from service.sentinel.outlets.outlet import Condition
from service.sentinel.territory import SET

STATE = Path("/var/lib/casemate/sentinel")
_LOOK_BACK = 500  # Lines that are read at the start for when the last alerts were.
_BURST = 100  # Lines of one group, from which on a line sums them up.
_MOST_NOTES = 1000  # Kept in memory while the ledger takes nothing.
_MOST_TOLD = 10_000  # Changes that outlets know of though the ledger does not.
_SAY_AGAIN = 60.0  # Seconds.
_ROOM = LONGEST_LINE - 1024  # Bytes of a line for the fields; the rest is the chain's own.


@dataclass(frozen=True)
class Finding:
    """A change that was judged. `planned_by`: the run of the deploy that announced it; None: nobody did."""

    change: Change
    severity: Severity
    planned_by: str | None = None


@dataclass(frozen=True)
class Tally:
    """Counts since the process began. `alerts`: by severity and watch set (`sentinel` for what it says of itself).

    `last`: when the last alert of a severity was recorded, seconds since 1970. `given_back`: changes that were not
    recorded, each as often as it was found again. `failing_since`: of the ledger, seconds since 1970.
    """

    alerts: dict[tuple[str, str], int]
    planned: int
    last: dict[str, float]
    given_back: int
    failing_since: float | None
    outlets: list[Condition]


class Recorder:
    """Thread-safe. When a method returns True, its lines are on the disk, and the outlets will tell them in time."""

    def __init__(
        self, ledger: Path, configuration: Configuration, state_dir: Path = STATE, journal: Path = SOCKET
    ) -> None:
        self._ledger = Ledger(ledger, sync=True)
        self._lock = threading.RLock()
        self._alerts: Counter[tuple[str, str]] = Counter({(one.severity, one.name): 0 for one in configuration.sets})
        if configuration.containers:
            self._alerts[configuration.containers.severity, SET] = 0
        self._planned = self._given_back = self._forgotten = 0
        self._last: dict[str, float] = {one.severity: one.at for one in recorded(ledger, _LOOK_BACK) if one.severity}
        self._notes: list[dict[str, Any]] = []
        self._told_unrecorded: set[tuple[bytes, str, tuple[int, ...]]] = set()
        self._failing_since: float | None = None
        self._say_from = 0.0
        outlets = state_dir / "outlets"
        self._dispatch = Dispatch(
            receivers(configuration.outlets, outlets, journal), outlets, configuration.group_seconds, self._outlet_said
        )
        self._dispatch.start(ledger)

    def changed(self, change: Change, severity: Severity, planned_by: str | None = None) -> bool:
        """Record one change; see `changed_all`."""
        return self.changed_all([Finding(change, severity, planned_by)])

    def changed_all(self, findings: Sequence[Finding]) -> bool:
        """Record a group of changes: one write, one sync, all or none.

        False: the ledger takes nothing, and the changes are given back. Whoever then leaves what he knew as it was
        finds them again. The outlets were told all the same, once.
        """
        lines = [_line(finding) for finding in findings]
        if len(lines) > _BURST:
            lines.append(_summary(findings))
        with self._lock:
            if not self._write(lines):
                self._given_back += len(findings)
                self._tell_unrecorded(findings, lines)
                return False
            self._told_unrecorded.clear()
            return True

    def note(self, event: str, severity: Severity | None = None, **fields: Any) -> bool:
        """Record what is no change of a file; a severity makes it an alert. `fields`: JSON values.

        False: it waits in memory until the ledger takes lines again. Raises TypeError, ValueError: no JSON values.
        """
        line = _fitting({"event": event, "severity": severity, **fields})
        with self._lock:
            written = self._write([line])
            if not written:
                self._keep({**line, "noted": round(time.time(), 6)})
            return written

    def tally(self) -> Tally:
        with self._lock:
            alerts, last = dict(self._alerts), dict(self._last)
            counts = self._planned, last, self._given_back, self._failing_since
        return Tally(alerts, *counts, self._dispatch.conditions())

    def close(self) -> None:
        """Give the outlets some seconds; what they cannot deliver in them waits for the next start."""
        self._dispatch.close()

    def _write(self, lines: Sequence[dict[str, Any]]) -> bool:
        recovered = [self._recovered()] if self._failing_since is not None else []
        everything = [*self._notes, *recovered, *lines]
        try:
            numbers = self._ledger.append_all(everything)
        except LedgerError as error:
            self._failed(error)
            return False
        now = time.time()
        self._notes, self._failing_since, self._forgotten = [], None, 0
        told = [
            Told(number, now, line["event"], line["severity"], line)
            for number, line in zip(numbers, everything, strict=True)
        ]
        for one in told:
            self._count(one)
        self._dispatch.offer(told)
        return True

    def _count(self, told: Told) -> None:
        if told.severity:
            self._alerts[told.severity, told.fields["set"] if told.event == "alert" else "sentinel"] += 1
            self._last[told.severity] = told.at
        elif told.event == "planned":
            self._planned += 1

    def _failed(self, error: LedgerError) -> None:
        now = time.time()
        if self._failing_since is None:
            self._failing_since, self._say_from = now, 0.0
        if time.monotonic() >= self._say_from:
            self._say_from = time.monotonic() + _SAY_AGAIN
            fields = {"error": str(error), "since": round(self._failing_since), "given_back": self._given_back}
            self._dispatch.offer([Told(None, now, "ledger_failed", "critical", fields)])

    def _recovered(self) -> dict[str, Any]:
        fields = {"failed_since": self._failing_since, "given_back": self._given_back, "forgotten": self._forgotten}
        return {"event": "ledger_recovered", "severity": "high", **fields}

    def _keep(self, line: dict[str, Any]) -> None:
        if len(self._notes) < _MOST_NOTES:
            self._notes.append(line)
        else:
            self._forgotten += 1

    def _tell_unrecorded(self, findings: Sequence[Finding], lines: Sequence[dict[str, Any]]) -> None:
        new = []
        for finding, line in zip(findings, lines, strict=False):
            change = finding.change
            key = (change.path, change.what, change.after.stamp if change.after else ())
            if finding.planned_by is None and key not in self._told_unrecorded:
                new.append(Told(None, time.time(), "alert", finding.severity, {**line, "recorded": False}))
                if len(self._told_unrecorded) < _MOST_TOLD:
                    self._told_unrecorded.add(key)
        self._dispatch.offer(new)

    def _outlet_said(self, what: str, outlet: str, fields: dict[str, Any]) -> None:
        self.note(what, outlet=outlet, **fields)


def _line(finding: Finding) -> dict[str, Any]:
    change = finding.change
    fields = change.fields()
    if finding.planned_by is not None:
        return _cautious(change, {"event": "planned", "severity": None, "run": finding.planned_by, **fields})
    return _cautious(change, {"event": "alert", "severity": finding.severity, **fields})


def _cautious(change: Change, line: dict[str, Any]) -> dict[str, Any]:
    """Look at the length only where it can matter: at thousands of lines a second each microsecond counts."""
    entries = [entry for entry in (change.before, change.after) if entry]
    length = len(change.path) + sum(len(entry.target or b"") for entry in entries)
    if change.who:
        length += len(change.who.program or "") + sum(len(word) + 3 for word in change.who.command)
    return _fitting(line) if length > 1000 else line


def _fitting(line: dict[str, Any]) -> dict[str, Any]:
    """A line that the ledger takes: a long name must not keep its own alert out of it. The path stays whole.

    Raises TypeError, ValueError for what is no JSON value, or none of the writer's fields.
    """
    if clash := RESERVED & line.keys():
        raise ValueError(f"fields {', '.join(sorted(clash))} belong to the ledger")
    if len(json.dumps(line, allow_nan=False)) <= _ROOM:
        return line
    return {name: value if name in {"path", "path_hex"} else cut(value, 300) for name, value in line.items()}


def _summary(findings: Sequence[Finding]) -> dict[str, Any]:
    """One line that tells a burst."""
    sets = Counter(finding.change.set for finding in findings)
    planned = sum(finding.planned_by is not None for finding in findings)
    worst = max((finding.severity for finding in findings), key=lambda severity: RANKS[severity])
    return {
        "event": "burst",
        "severity": None,
        "worst": worst,
        "count": len(findings),
        "planned": planned,
        "sets": sets,
    }
