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
    summary = report.summary(host.name, findings)
    if report.good(findings):
        host.noop(summary)
    else:
        yield FunctionCommand(_failed, ([*report.lines(findings, inventory), summary],), {})


def _failed(state: Any, host: Any, lines: list[str]) -> bool:  # noqa: ARG001
    """What pyinfra counts as a failed command; it looks for the argument names `state` and `host`."""
    for line in lines:
        logger.error("%s%s", host.print_prefix, line)
    return False
