"""Processes that stand still."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path


def freeze(pid: int) -> None:
    """SIGSTOP; when this returns all of its threads have stopped, and none is at an answer any more."""
    os.kill(pid, signal.SIGSTOP)
    end = time.monotonic() + 60
    while {_state(thread) for thread in Path(f"/proc/{pid}/task").iterdir()} != {"T"}:
        assert time.monotonic() < end, f"{pid} does not stop"
        time.sleep(0.002)


def _state(thread: Path) -> str:
    try:
        return (thread / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""  # It has ended meanwhile.
