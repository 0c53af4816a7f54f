"""One line an operation and host, on standard error, as they end; a long one says that it is under way."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gevent
from pyinfra.api.state import BaseStateCallback

from deploy.operations.change import differences

SAY_AFTER_SECONDS = 3.0


@dataclass
class Outcome:
    """What a run did to one host."""

    operations: int = 0
    changed: int = 0
    failed: int = 0
    seconds: float = 0.0
    round_trips: int = 0
    changes: list[dict[str, Any]] = field(default_factory=list)
    error: str | None = None

    def counts(self) -> dict[str, Any]:
        """What `--json` shows of a host."""
        return {
            "changed": self.changed,
            "operations": self.operations,
            "failed": self.failed,
            "seconds": round(self.seconds, 2),
            "round_trips": self.round_trips,
        }


class Progress(BaseStateCallback):
    """Listens to pyinfra, counts, and prints."""

    def __init__(self, outcomes: dict[str, Outcome], say: Callable[[str], None]) -> None:
        self._outcomes = outcomes
        self._say = say
        self._started: dict[tuple[str, str], tuple[float, Any]] = {}
        self._width = max(map(len, outcomes), default=0)

    def line(self, host: str, word: str, rest: str) -> None:
        """`lab1  changed  Write the daemon configuration`."""
        self._say(f"{host:<{self._width}}  {word:<8} {rest}")

    def operation_host_start(self, state: Any, host: Any, op_hash: str) -> None:
        """pyinfra's callback; a long operation announces itself after a while."""
        name = name_of(state, op_hash)
        timer = gevent.spawn_later(SAY_AFTER_SECONDS, self.line, host.name, "...", name)
        self._started[host.name, op_hash] = (time.monotonic(), timer)

    def operation_end(self, state: Any, op_hash: str) -> None:
        """pyinfra's callback, when every host is done with the operation."""
        for host in state.inventory:
            started, timer = self._started.pop((host.name, op_hash), (None, None))
            if started is None:
                continue
            gevent.kill(timer)
            self._ended(state, host, op_hash, time.monotonic() - started)

    def nobody_is_left(self, state: Any) -> None:
        """pyinfra raises without an `operation_end` where an operation fails on the last host."""
        for op_hash in {op_hash for _, op_hash in self._started}:
            self.operation_end(state, op_hash)

    def _ended(self, state: Any, host: Any, op_hash: str, seconds: float) -> None:
        done = state.get_op_data_for_host(host, op_hash).operation_meta
        outcome, name = self._outcomes[host.name], name_of(state, op_hash)
        took = f"  ({seconds:.1f} s)" if seconds >= SAY_AFTER_SECONDS else ""
        if not done.did_succeed():
            outcome.failed += 1
            outcome.error = host.connector_data.get("casemate.error") or said(done) or f"{name}: failed"
            self.line(host.name, "FAILED", name + took)
        elif done.did_change():
            outcome.changed += 1
            outcome.changes.append({"operation": name, "differences": differences(host, op_hash)})
            self.line(host.name, "changed", name + took)
        else:
            self.line(host.name, "ok", name + took)
        outcome.operations += 1


def name_of(state: Any, op_hash: str) -> str:
    """The sentence the component gave the operation, after the component's own name."""
    return " | ".join(sorted(state.get_op_meta(op_hash).names))


def said(done: Any) -> str:
    """The last thing a failed command said."""
    lines = [line for line in [*done.stderr_lines, *done.stdout_lines] if line.strip()]
    return str(lines[-1]) if lines else ""
