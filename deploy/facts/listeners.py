"""Who already listens where the door is to be."""

from typing import Any

from deploy.facts.observed import Observed
from deploy.settings.host import HostSettings


def busy_ports(settings: HostSettings, seen: Observed) -> list[tuple[int, str]]:
    """(port, holder) of each TCP port of the proxy that somebody else holds than Nginx: (443, "apache2 (pid 12)").

    Raises CasemateError when the listeners could not be read.
    """
    wanted = [port for port in (settings.proxy.port, settings.proxy.redirect_port) if port]
    rows: Any = seen.required("listeners")
    found: dict[int, str] = {}
    for row in rows:
        if row["protocol"] in ("tcp", "tcp6") and row["port"] in wanted and row["process"] != "nginx":
            # The same daemon often has a socket a family: it is named once.
            found.setdefault(
                row["port"], f"{row['process']} (pid {row['pid']})" if row["process"] else "an unknown process"
            )
    return [(port, found[port]) for port in wanted if port in found]
