"""How a sentinel may be, and what its file for Prometheus tells of it."""

from pathlib import Path

from service.sentinel.heartbeat import State

STATE = State(
    source="fanotify",
    watches=3,
    events=70,
    swept=900,
    swept_at=1_700_000_000.25,
    sweep_seconds=0.2,
    sweep_every=60,
    gaps=2,
    gaps_open=1,
    waiting_paths=5,
    waiting_contents=6,
    quarantined=1,
    resident=30_000_000,
    cpu_seconds=1.5,
    baseline_sequence=4,
    baseline_made=1_699_000_000.0,
    baseline_signed=True,
)


def samples(metrics: Path) -> dict[str, float]:
    """By name and labels, without the prefix that all have."""
    lines = [line for line in metrics.read_text().splitlines() if not line.startswith("#")]
    return {
        name.removeprefix("casemate_sentinel_"): float(value) for name, value in (line.rsplit(" ", 1) for line in lines)
    }
