"""The first and the last operation of every run: plain `pyinfra` locks, announces, journals as `casemate deploy` does.

After a failure pyinfra runs no more operations: the window then closes by itself, and the next run signs the baseline.
"""

import sys
from secrets import token_hex
from typing import Any

from pyinfra import host, state
from pyinfra.api import operation

from deploy.operations.convergence import Commands
from deploy.run import journal, lock, window

_RUN = "casemate.run"


def managed(of: Any, run: str) -> None:
    """`casemate deploy` has taken the lock for this run already, and will write its journal, failed or not."""
    of.connector_data[_RUN] = run


@operation()
def begin() -> Commands:
    """Hold the host's deploy lock until the connection ends."""
    if state.is_executing and _RUN not in host.connector_data:
        run = token_hex(4)
        lock.hold(host, run)
        window.begin(host, run)
    yield from ()


@operation()
def end() -> Commands:
    """Journal the run. It changes nothing that was asked for, so it yields no command."""
    if state.is_executing and _RUN not in host.connector_data:
        window.end(host, _inventory())
        done = [(op, state.ops[host][op].operation_meta) for op in state.get_op_order() if op in state.ops[host]]
        changes = [
            " | ".join(state.get_op_meta(op).names) for op, meta in done if meta.is_complete() and meta.did_change()
        ]
        journal.write(host, journal.entry("pyinfra", host.name, operations=len(done), changes=changes, error=None))
    yield from ()


def _inventory() -> str:
    """As it was typed after `pyinfra`, which tells nobody."""
    return next((word for word in sys.argv[1:] if word.endswith(".py")), "inventory.py")
