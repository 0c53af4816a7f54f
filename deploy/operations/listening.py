"""A daemon that is open for its clients, not only active: when a reload fails, the old configuration stays in force."""

import time
from collections.abc import Sequence

from pyinfra import host

from deploy.errors import CasemateError
from deploy.facts.listeners import not_listening
from deploy.facts.observed import forget, observed
from deploy.operations.change import differs
from deploy.operations.convergence import Commands, convergence
from deploy.operations.phase import executing

_TIMES, _PAUSE_SECONDS = 10, 0.3


@convergence
def listening(process: str, ports: Sequence[int]) -> Commands:
    """The process holds all these TCP ports; raises CasemateError when it does not take them within some seconds."""
    missing = not_listening(process, ports, observed(host))
    if not missing:
        host.noop(f"{process} listens on {', '.join(map(str, ports))}")
        return
    if not executing():
        differs(f"{process} listens on", None, "".join(f"port {port}\n" for port in missing))
        yield "true"
        return
    for _ in range(_TIMES):
        time.sleep(_PAUSE_SECONDS)
        forget(host)
        missing = not_listening(process, ports, observed(host))
        if not missing:
            return
    raise CasemateError(
        f"{host.name}: {process} does not listen on port {', '.join(map(str, missing))}; what ran before still runs",
        next=f"its log says why: journalctl -u {process}, or its own error log",
    )
