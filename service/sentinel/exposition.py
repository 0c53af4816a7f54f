"""The file that Nginx shows to Prometheus."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from service.sentinel.configuration import Severity

if TYPE_CHECKING:
    from service.sentinel.heartbeat import State
    from service.sentinel.record import Tally

_PREFIX = "casemate_sentinel_"
_SEVERITIES = get_args(Severity)


@dataclass(frozen=True)
class _Family:
    """One metric. `samples`: label pairs and value."""

    name: str
    kind: str
    help: str
    samples: Iterable[tuple[Mapping[str, str], float]]


def exposition(state: State, tally: Tally, last_beat: float | None) -> str:
    """Prometheus's text format. What never happened is 0 from the start, so that a first time is a rise."""
    families = [*_of_life(state, last_beat), *_of_work(state), *_of_alerts(tally), *_of_outlets(tally)]
    return "".join(_text(family) for family in families)


def write(path: Path, text: str) -> None:
    """Put a whole new file there, for the group that owns the directory. Raises OSError."""
    new = path.with_name(path.name + ".new")
    fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        os.fchown(fd, -1, path.parent.stat().st_gid)
        os.fchmod(fd, 0o640)
        file.write(text)
    new.replace(path)


def _of_life(state: State, last_beat: float | None) -> list[_Family]:
    return [
        _gauge("last_beat_timestamp_seconds", "When the sentinel last proved to be at work.", last_beat),
        _gauge("stuck_threads", "Threads that give no sign of life.", len(state.stuck)),
        _Family("source_info", "gauge", "Where events come from.", [({"source": state.source}, 1)]),
        _gauge("resident_memory_bytes", "Of its process, without those that hash.", state.resident),
        _counter("cpu_seconds_total", "Of its process, without those that hash.", state.cpu_seconds),
        _gauge("baseline_sequence", "Number of the baseline in force.", state.baseline_sequence),
        _gauge("baseline_timestamp_seconds", "When the baseline in force was made.", state.baseline_made),
        _gauge("baseline_signed", "Whether the operator has signed the newest baseline.", state.baseline_signed),
        _gauge("window_open", "Whether a deploy window is open.", state.window is not None),
        _gauge("quarantines_open", "Quarantines that nobody has released.", state.quarantined),
    ]


def _of_work(state: State) -> list[_Family]:
    return [
        _gauge("watches", "Watches or marks in the kernel.", state.watches),
        _counter("events_total", "Events that the kernel told.", state.events),
        _gauge("waiting_paths", "Paths that wait to be looked at.", state.waiting_paths),
        _gauge("waiting_contents", "Files whose content is still being read.", state.waiting_contents),
        _gauge("last_sweep_timestamp_seconds", "When the last whole sweep ended.", state.swept_at),
        _gauge("last_sweep_duration_seconds", "How long the last whole sweep took.", state.sweep_seconds),
        _gauge("last_sweep_paths", "Paths that the last whole sweep saw.", state.swept),
        _gauge(
            "sweep_interval_seconds",
            "Between two sweeps: the setting, or more where they take long.",
            state.sweep_every,
        ),
        _counter("coverage_gaps_total", "Times at which events may have been missed.", state.gaps),
        _gauge("coverage_gaps_open", "Gaps whose place has not been swept yet.", state.gaps_open),
    ]


def _of_alerts(tally: Tally) -> list[_Family]:
    alerts = {**{(severity, "sentinel"): 0 for severity in _SEVERITIES}, **tally.alerts}
    return [
        _Family(
            "alerts_total",
            "counter",
            "Alerts by severity and watch set; set sentinel: what it says of itself.",
            [({"severity": severity, "set": name}, count) for (severity, name), count in sorted(alerts.items())],
        ),
        _Family(
            "last_alert_timestamp_seconds",
            "gauge",
            "When the last alert of a severity was recorded.",
            [({"severity": severity}, tally.last.get(severity, 0)) for severity in _SEVERITIES],
        ),
        _counter("planned_changes_total", "Changes that a deploy had announced.", tally.planned),
        _counter("given_back_total", "Changes that could not be recorded when they were found.", tally.given_back),
        _gauge("ledger_failing", "Whether the ledger takes no lines.", tally.failing_since is not None),
    ]


def _of_outlets(tally: Tally) -> list[_Family]:
    values = {
        "outlet_failing": ("gauge", "Whether the last try to deliver failed.", "failing_since"),
        "outlet_waiting_messages": ("gauge", "Messages that wait to be delivered.", "waiting"),
        "outlet_waiting_bytes": ("gauge", "Bytes of messages that wait to be delivered.", "bytes"),
        "outlet_delivered_total": ("counter", "Messages delivered.", "delivered"),
        "outlet_failures_total": ("counter", "Tries that failed.", "failures"),
        "outlet_dropped_total": ("counter", "Messages that were never delivered; the ledger has them.", "dropped"),
    }
    return [
        _Family(
            name,
            kind,
            told,
            [
                ({"outlet": one.name}, one.failing_since is not None if name == "outlet_failing" else getattr(one, of))
                for one in tally.outlets
            ],
        )
        for name, (kind, told, of) in values.items()
    ]


def _gauge(name: str, told: str, value: float | None) -> _Family:
    return _Family(name, "gauge", told, [({}, value or 0)])


def _counter(name: str, told: str, value: float) -> _Family:
    return _Family(name, "counter", told, [({}, value)])


def _text(family: _Family) -> str:
    name = _PREFIX + family.name
    lines = [f"# HELP {name} {family.help}", f"# TYPE {name} {family.kind}"]
    for labels, value in family.samples:
        told = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        lines.append(f"{name}{f'{{{told}}}' if told else ''} {float(value)!r}")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
