"""The one operation of deploy/verify.py: it changes nothing, and fails where a control does not hold."""

from typing import Any

from pyinfra import host, logger, state
from pyinfra.api import FunctionCommand, operation

from deploy.judgement import report
from deploy.judgement.control import load_controls
from deploy.judgement.verification import verify
from deploy.judgement.waiver import load_waivers
from deploy.operations.convergence import Commands


@operation()
def verified() -> Commands:
    """Every control holds on this host, or is waived."""
    if not state.is_executing:
        return
    controls = load_controls()
    # Plain pyinfra does not say which inventory it read; waivers are then looked for where inventories lie.
    inventory = str(getattr(host.inventory, "file", "inventory/INVENTORY"))
    findings = verify(host, controls, load_waivers(inventory, controls))
    lines = [f"{row['verdict']} {row['control']}: {row['finding']}" for row in report.rows(host.name, findings, inventory)]
    if report.good(findings):
        host.noop(report.summary(host.name, findings))
    else:
        yield FunctionCommand(_failed, (lines, report.summary(host.name, findings)), {})


def _failed(state: Any, host: Any, lines: list[str], summary: str) -> bool:  # noqa: ARG001
    """What pyinfra counts as a failed command; it looks for the argument names `state` and `host`."""
    for line in [*lines, summary]:
        logger.error("%s%s", host.print_prefix, line)
    return False
