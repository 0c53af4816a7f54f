"""A unit that starts a container at boot, and must not end it because its own file changed."""

import shlex

from pyinfra import host

from deploy.facts.observed import observed
from deploy.operations.change import differs
from deploy.operations.convergence import Commands, convergence
from deploy.operations.expected import enabled_items, expects


@convergence
def started_at_boot(unit: str) -> Commands:
    """The unit is enabled and active. A changed file is read by systemd and counts from the next start on.

    `units.unit` would restart it: for a container that means minutes without a model, and the container has been handed
    over to already.
    """
    found = observed(host).unit(unit)
    quoted = shlex.quote(unit)
    if found is None:
        expects(*enabled_items(unit, None))
        differs(unit, None, "enabled and active\n")
        yield f"systemctl daemon-reload && systemctl enable --now {quoted}"
        return
    enabled, active = found["enabled"] == "enabled", found["active"] == "active"
    if enabled and active and not found["needs_reload"]:
        host.noop(f"{unit} is enabled and active")
        return
    if not enabled:
        expects(*enabled_items(unit, found.get("fragment")))
    reload = ", its file to be read again" if found["needs_reload"] else ""
    differs(unit, f"{found['enabled']} {found['active']}{reload}\n", "enabled active\n")
    if found["needs_reload"]:
        yield "systemctl daemon-reload"
    if not (enabled and active):
        yield f"systemctl enable --now {quoted}"
