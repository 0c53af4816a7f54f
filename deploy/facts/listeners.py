"""Who listens on which TCP port of a host."""

from collections.abc import Iterable
from typing import Any

from deploy.facts.observed import Observed
from deploy.settings.host import HostSettings


def busy_ports(settings: HostSettings, seen: Observed) -> list[tuple[int, str]]:
    """(port, holder) of each TCP port of the proxy that somebody else holds than Nginx: (443, "apache2 (pid 12)").

    Raises CasemateError when the listeners could not be read.
    """
    wanted = settings.proxy.ports
    found: dict[int, str] = {}
    for row in _tcp(seen):
        if row["port"] in wanted and row["process"] != "nginx":
            # The same daemon often has a socket a family: it is named once.
            found.setdefault(
                row["port"], f"{row['process']} (pid {row['pid']})" if row["process"] else "an unknown process"
            )
    return [(port, found[port]) for port in wanted if port in found]


def not_listening(process: str, ports: Iterable[int], seen: Observed) -> list[int]:
    """Those of the TCP ports that no process of this name listens on."""
    held = {row["port"] for row in _tcp(seen) if row["process"] == process}
    return [port for port in ports if port not in held]


def _tcp(seen: Observed) -> list[dict[str, Any]]:
    """Raises CasemateError when the listeners could not be read."""
    rows: Any = seen.required("listeners")
    return [row for row in rows if row["protocol"] in ("tcp", "tcp6")]
