"""Whether the isolated network's addresses are already in use around a host."""

from collections.abc import Iterator
from ipaddress import IPv4Network, ip_network

from deploy.facts.observed import Observed
from deploy.settings.network import NetworkSettings


def overlaps(settings: NetworkSettings, seen: Observed) -> Iterator[str]:
    """What overlaps the wanted subnet: routes of the host and other Docker networks, by name and addresses.

    Our own network and its bridge are left out, so that a host that is already deployed to passes; so is the default
    route, which everything overlaps.
    """
    told: set[IPv4Network] = set()
    for name, taken in _docker_networks(seen):
        if name != settings.name and taken.overlaps(settings.subnet):
            told.add(taken)
            yield f"Docker network {name} ({taken})"
    for route in seen.section("routes") or ():
        reached = ip_network(route["destination"], strict=False)
        if not isinstance(reached, IPv4Network) or route["interface"] == settings.bridge or not reached.prefixlen:
            continue
        if reached.overlaps(settings.subnet) and reached not in told:
            yield f"the route to {reached} by {route['interface']}"


def _docker_networks(seen: Observed) -> Iterator[tuple[str, IPv4Network]]:
    networks = (seen.section("docker") or {}).get("networks") or {}
    for name, network in networks.items():
        for row in (network.get("IPAM") or {}).get("Config") or ():
            taken = ip_network(row["Subnet"], strict=False)
            if isinstance(taken, IPv4Network):
                yield name, taken
