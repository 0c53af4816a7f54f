"""systemd units that run, and that run what is on the disk."""

import shlex
from collections.abc import Sequence

from pyinfra import host

from deploy.facts.observed import Observed, observed
from deploy.operations.change import differs
from deploy.operations.convergence import Commands, convergence
from deploy.operations.expected import enabled_items, expects


@convergence
def unit(unit: str, restarted_by: Sequence[str] = (), reloaded_by: Sequence[str] = ()) -> Commands:
    """The unit is enabled, active, and has read its files.

    A file that changed after the unit's last change of state has not been read yet: one of `restarted_by` (the unit's
    own file and drop-ins are always among them) restarts it, one of `reloaded_by` reloads it. Another unit can stand
    among them: its last change of state counts. Nothing depends on "changed in this run", so a run that died between
    the write and the restart is completed by the next one.
    """
    seen = observed(host)
    found = seen.unit(unit)
    quoted = shlex.quote(unit)
    if found is None:
        expects(*enabled_items(unit, None))
        differs(unit, None, "enabled and active\n")
        yield f"systemctl daemon-reload && systemctl enable --now {quoted}"
        return
    needs = _needs(seen, found, restarted_by, reloaded_by)
    if not needs:
        host.noop(f"{unit} runs with its current files")
        return
    if "enable" in needs:
        expects(*enabled_items(unit, found.get("fragment")))
    differs(unit, _state(found), f"enabled active: {needs[-1]}\n")
    yield "systemctl daemon-reload"
    if found["enabled"] not in ("enabled", "static"):
        yield f"systemctl enable {quoted}"
    # Starting is not restarting: a restart of an inactive unit also restarts what requires it.
    if needs[-1] != "enable":
        yield f"systemctl {needs[-1]} {quoted}"


@convergence
def no_unit(unit: str, path: str) -> Commands:
    """The unit does not run, and its file `path` is gone."""
    seen = observed(host)
    if seen.unit(unit) is None and seen.file(path) is None:
        host.noop(f"{unit} is absent")
        return
    differs(unit, "present\n", "absent\n")
    quoted = shlex.quote(unit)
    yield f"systemctl disable --now {quoted}; rm -f {shlex.quote(path)} && systemctl daemon-reload"


def _state(found: dict[str, object]) -> str:
    return f"{found['enabled']} {found['active']}\n"


def _needs(
    seen: Observed, found: dict[str, object], restarted_by: Sequence[str], reloaded_by: Sequence[str]
) -> list[str]:
    """What has to be done, the strongest last: enable, reload, start, restart."""
    own = [str(found.get("fragment") or ""), *(str(path) for path in found.get("drop_ins") or ())]  # type: ignore[attr-defined]
    needs = []
    if found["enabled"] not in ("enabled", "static"):
        needs.append("enable")
    if _newer(seen, found, reloaded_by):
        needs.append("reload")
    if found["active"] != "active":
        needs.append("start")
    elif found["needs_reload"] or _newer(seen, found, [*own, *restarted_by]):
        needs.append("restart")
    return needs


def _newer(seen: Observed, found: dict[str, object], paths: Sequence[str]) -> bool:
    """Was one of these, files or units, changed after the unit's last change of state?"""
    files, units = [seen.file(path) for path in paths], [seen.unit(path) for path in paths]
    changes = [*(file["ctime"] for file in files if file), *(unit["changed"] for unit in units if unit)]
    return any(change > found["changed"] for change in changes)
