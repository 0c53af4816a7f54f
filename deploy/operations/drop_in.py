"""A drop-in beside somebody else's systemd unit, known to systemd, without touching the unit's process."""

from pyinfra import host

from deploy.facts.observed import observed
from deploy.operations.change import differs
from deploy.operations.convergence import Commands, convergence
from deploy.operations.files import directory, file


@convergence
def drop_in(unit: str, content: str) -> Commands:
    """/etc/systemd/system/UNIT.d/casemate.conf has this content, and systemd has read it; the unit is not restarted."""
    place = f"/etc/systemd/system/{unit}.d"
    yield from directory._inner(path=place)
    yield from file._inner(path=f"{place}/casemate.conf", content=content)
    found = observed(host).unit(unit)
    if found and found["needs_reload"]:
        differs(unit, "not read again since it was changed\n", "read\n")
        yield "systemctl daemon-reload"
