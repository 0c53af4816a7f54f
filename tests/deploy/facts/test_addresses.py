"""The isolated network's addresses must be nobody else's."""

from ipaddress import IPv4Network
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from deploy.facts.addresses import overlaps
from deploy.facts.observed import Observed
from deploy.settings.network import NetworkSettings

SETTINGS = NetworkSettings.model_validate({"subnet": "172.31.250.0/24"})


def route(destination: str, interface: str = "eth0") -> dict[str, str]:
    return {"interface": interface, "destination": destination, "gateway": "0.0.0.0"}


def network(*subnets: str) -> dict[str, Any]:
    return {"IPAM": {"Config": [{"Subnet": subnet} for subnet in subnets]}}


def told(routes: Any = (), networks: Any = None, settings: NetworkSettings = SETTINGS) -> list[str]:
    docker = {"installed": True, "networks": networks} if networks is not None else {"installed": False}
    return list(overlaps(settings, Observed({"routes": list(routes), "docker": docker}, 0.0)))


def test_a_host_that_is_deployed_to_does_not_overlap_itself() -> None:
    routes = [route("0.0.0.0/0"), route("172.31.250.0/24", "csm0"), route("172.17.0.0/16", "docker0"), route("::/0")]
    assert told(routes, {"casemate": network("172.31.250.0/24"), "bridge": network("172.17.0.0/16")}) == []


def test_a_docker_network_is_named_once_although_it_has_a_route_too() -> None:
    found = told([route("172.31.0.0/16", "br-1")], {"other": network("172.31.0.0/16")})
    assert found == ["Docker network other (172.31.0.0/16)"]


def test_networks_without_addresses_are_no_obstacle() -> None:
    assert told([], {"host": {"IPAM": {"Config": None}}, "none": {"IPAM": {}}, "six": network("fd00::/64")}) == []


def test_an_engine_that_could_not_be_asked_leaves_the_routes() -> None:
    seen = Observed({"routes": [route("172.31.250.128/25")], "docker": None}, 0.0)
    assert list(overlaps(SETTINGS, seen)) == ["the route to 172.31.250.128/25 by eth0"]


@given(
    ours=st.tuples(st.integers(0, 2**32 - 1), st.integers(8, 30)),
    other=st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 32)),
)
def test_a_route_is_told_exactly_when_it_shares_an_address(ours: tuple[int, int], other: tuple[int, int]) -> None:
    mine, theirs = (IPv4Network((address >> 32 - prefix << 32 - prefix, prefix)) for address, prefix in (ours, other))
    shares = mine[0] in theirs or theirs[0] in mine
    assert bool(told([route(str(theirs))], settings=NetworkSettings(subnet=mine))) is shares
