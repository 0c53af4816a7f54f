"""What there is to be reached on this host."""

import json
import re

from deploy.facts.posture.read import text, text_or_none
from deploy.facts.posture.wire import listeners_of

_ANYWHERE = ("0.0.0.0", "::")  # noqa: S104


def local_addresses() -> list[str]:
    """The host's own IPv4 addresses, loopback aside."""
    return parse_local_addresses(text("/proc/net/fib_trie"))


def parse_local_addresses(trie: str) -> list[str]:
    """The same from /proc/net/fib_trie."""
    found = re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", trie)
    return sorted({address for address in found if not address.startswith("127.")})


def host_ports() -> dict[str, tuple[str, int]]:
    """Every TCP port that listens on one of the host's addresses, as {"address:port": (address, port)}."""
    listening = [row for row in listeners_of("self") if row["protocol"].startswith("tcp")]
    open_ports = {
        (address, row["port"])
        for row in listening
        for address in local_addresses()
        if row["address"] in (*_ANYWHERE, address, f"::ffff:{address}")
    }
    return {f"{address}:{port}": (address, port) for address, port in sorted(open_ports)}


def daemon_resolvers() -> list[str]:
    """Resolvers of containers that name none; empty when the engine takes the host's."""
    return list(json.loads(text_or_none("/etc/docker/daemon.json") or "{}").get("dns") or [])
