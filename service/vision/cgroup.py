"""What the container may use, which is less than what the machine has."""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_UNLIMITED = 1 << 60


def cpus(root: Path = _ROOT) -> float:
    """Processors that this process may keep busy."""
    allowed = float(len(os.sched_getaffinity(0)))
    quota, period = _pair(root / "cpu.max") or (
        _number(root / "cpu" / "cpu.cfs_quota_us"),
        _number(root / "cpu" / "cpu.cfs_period_us"),
    )
    return min(allowed, quota / period) if quota and period and quota > 0 else allowed


def memory_left(root: Path = _ROOT, meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes that this process may still take."""
    lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines())
    machine = int(lines["MemAvailable"].split()[0]) * 1024
    limit = _number(root / "memory.max") or _number(root / "memory" / "memory.limit_in_bytes")
    used = _number(root / "memory.current") or _number(root / "memory" / "memory.usage_in_bytes") or 0
    idle = _idle_files(root / "memory.stat") or _idle_files(root / "memory" / "memory.stat")
    return min(machine, limit - used + idle) if limit and limit < _UNLIMITED else machine


def _pair(path: Path) -> tuple[int | None, int | None] | None:
    try:
        quota, period = path.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return (int(quota), int(period)) if quota != "max" else (None, None)


def _idle_files(path: Path) -> int:
    """Bytes of files that the kernel keeps and would give up: counted as used, but free for the asking."""
    try:
        lines = dict(line.split() for line in path.read_text(encoding="ascii").splitlines())
    except (OSError, ValueError):
        return 0
    return int(lines.get("total_inactive_file") or lines.get("inactive_file") or 0)


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None
