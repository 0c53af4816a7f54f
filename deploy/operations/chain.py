"""Chained logs that have begun before their first line: so their first key can be taken before there is one."""

import shlex

from pyinfra import host

from deploy.facts.observed import observed
from deploy.host_paths import HOST_PROGRAMS
from deploy.operations.change import differs
from deploy.operations.convergence import Commands, convergence

_LEDGER = HOST_PROGRAMS / "bin" / "casemate-ledger"


@convergence
def begun(log: str, owner: str) -> Commands:
    """The log has a head, its owner's. One with lines and no head is left alone: `casemate logs verify` tells of it."""
    if observed(host).required("logs")["heads"].get(log):
        host.noop(f"the chain of {log} has begun")
        return
    differs(f"{log}.head", None, "a new chain\n")
    path = shlex.quote(log)
    yield f"[ -s {path} ] || runuser -u {shlex.quote(owner)} -- {_LEDGER} begin {path}"
