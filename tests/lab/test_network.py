"""The walls, attacked; and every attack also where it must succeed, because one that cannot succeed proves nothing."""

import json
from collections.abc import Iterator

import pytest

from deploy.lab.host import LabHost
from tests.lab.deployment import Deployment, eventually
from tests.lab.yard import BRIDGES, GATEWAYS, ISOLATED, OPEN, PORT, SUBNETS, Neighbour, Yard, all_of, changed, planned

pytestmark = pytest.mark.lab

BOTH = (ISOLATED, OPEN)


@pytest.fixture(scope="module")
def ground(deployed: Deployment) -> Iterator[Yard]:
    """The host; what was made on it for the attacks is gone afterwards."""
    yard = Yard(deployed.host)
    yard.clear()
    yield yard
    yard.clear()


@pytest.fixture
def yard(ground: Yard) -> Yard:
    """The same, ready for an attack."""
    ground.prepare()
    return ground


@pytest.fixture
def other(deployed: Deployment) -> LabHost:
    """Another host of the lab."""
    return next(host for host in deployed.lab.hosts if host.name != deployed.host.name)


@pytest.fixture
def neighbour(other: LabHost) -> Iterator[Neighbour]:
    """Somebody else on the lab's network."""
    neighbour = Neighbour(other)
    neighbour.prepare()
    yield neighbour
    neighbour.leave()


def test_a_container_reaches_no_address_of_the_host(yard: Yard) -> None:
    """sshd, a listener on TCP and UDP, and ping: on the bridge, on the host's own address and on Docker's bridge."""
    for network in BOTH:
        addresses = (GATEWAYS[network], yard.address, "172.17.0.1")
        targets = {target for address in addresses for target in {*all_of(address), ("tcp", address, 22)}}
        assert yard.reached(network, targets) == (targets if network == OPEN else set()), network


def test_a_container_reaches_no_neighbour(yard: Yard, other: LabHost) -> None:
    targets = {("tcp", Yard(other).address, 22), ("ping", Yard(other).address, 0)}
    assert yard.reached(OPEN, targets) == targets
    assert yard.reached(ISOLATED, targets) == set()


@pytest.mark.parametrize("filtered", [1, 0], ids=["bridge filtered", "bridge not filtered"])
def test_a_container_reaches_no_other_on_its_own_network(yard: Yard, filtered: int) -> None:
    """With br_netfilter and without: Docker's icc=false relies on it, the bridge table does not."""
    key = "net.bridge.bridge-nf-call-iptables"
    yard.host.run(f"sysctl -qw {key}={filtered}")  # of the lab host's own network namespace
    try:
        for network in BOTH:
            targets = all_of(yard.listener(network))
            reached = yard.reached(network, targets)
            assert reached == (targets if network == OPEN else set()), network
    finally:
        yard.host.run(f"sysctl -qw {key}=1")


def test_without_the_bridge_table_the_unfiltered_bridge_is_open(yard: Yard, deployed: Deployment) -> None:
    """The control of the control: it is our table that closes it."""
    targets = all_of(yard.listener(ISOLATED))
    yard.host.run("sysctl -qw net.bridge.bridge-nf-call-iptables=0; nft delete table bridge casemate")
    try:
        eventually(lambda: yard.reached(ISOLATED, targets) == targets)
    finally:
        yard.host.run("sysctl -qw net.bridge.bridge-nf-call-iptables=1")
        deployed.casemate("deploy", "--only", "network")


def test_containers_of_two_networks_do_not_meet(yard: Yard) -> None:
    inside, outside = all_of(yard.listener(ISOLATED)), all_of(yard.listener(OPEN))
    assert yard.reached(OPEN, inside) == set()
    assert yard.reached(ISOLATED, outside) == set()
    assert yard.reached(OPEN, outside) == outside


def test_a_neighbour_with_a_route_does_not_get_in(yard: Yard, neighbour: Neighbour) -> None:
    """To a container, and to the bridge's own address."""
    for network in BOTH:
        targets = all_of(yard.listener(network)) | all_of(GATEWAYS[network]) | {("tcp", GATEWAYS[network], 22)}
        reached = neighbour.reached(network, targets, yard.address)
        assert reached == (targets if network == OPEN else set()), network


def test_the_host_still_reaches_a_container(yard: Yard) -> None:
    targets = all_of(yard.listener(ISOLATED))
    assert yard.reached_from_here(targets) == targets


def test_ipv6_is_closed_too(yard: Yard) -> None:
    """To the bridge by its link-local address, and to whoever hears a multicast."""
    for network in BOTH:
        bridge = BRIDGES[network]
        yard.listener(network)  # a bridge without a port has no carrier, and gives itself no address
        yard.host.run(f"sysctl -qw net.ipv6.conf.{bridge}.disable_ipv6=0")
        yard.until(f"ip -6 -o addr show dev {bridge} scope link | grep -qv tentative")
        found = yard.says(f"ip -6 -o addr show dev {bridge} scope link | awk '{{print $4}}' | cut -d/ -f1")
        address = f"{found.split()[0]}%eth0"
        targets = {*all_of(address), ("tcp", address, 22), ("ping", "ff02::1%eth0", 0)}
        reached = yard.reached_by_ipv6(network, targets)
        yard.host.run(f"sysctl -qw net.ipv6.conf.{bridge}.disable_ipv6=1")
        assert reached == (targets if network == OPEN else set()), network


_CANARY = """
import socket, sys
wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
wire.bind(("0.0.0.0", 53))
open(sys.argv[1], "w").close()
while True:
    data, sender = wire.recvfrom(512)
    with open("/run/casemate-test-canary", "ab") as log:
        log.write(data + bytes([10]))
    wire.sendto(data[:2] + bytes([0x81, 0x83]) + data[4:], sender)
"""


def test_no_name_that_a_container_asks_for_is_heard(yard: Yard) -> None:
    """The host's resolver is a loopback one, which engines with CVE-2024-29018 ask on a container's behalf."""
    heard = "cat /run/casemate-test-canary 2>/dev/null || true"
    before = yard.says("cat /etc/resolv.conf")
    yard.start("casemate-test-canary", _CANARY)
    yard.host.run("echo 'nameserver 127.0.0.53' >/etc/resolv.conf")
    try:
        impatient = ("--dns-opt", "timeout:1", "--dns-opt", "attempts:1")
        yard.reached(ISOLATED, {("name", "inside.casemate.test", 0)}, *impatient)
        yard.reached(ISOLATED, {("name", "inside.casemate.test", 0)}, *impatient, "--dns", GATEWAYS[ISOLATED])
        assert yard.says(heard) == ""
        yard.reached(OPEN, {("name", "outside.casemate.test", 0)}, "--dns", GATEWAYS[OPEN])
        eventually(lambda: "outside" in yard.says(heard))
    finally:
        yard.host.run(f"cat >/etc/resolv.conf <<'E'\n{before}E")
        yard.host.run("systemctl stop casemate-test-canary; rm -f /run/casemate-test-canary")


@pytest.mark.parametrize(
    "damage",
    [
        "nft flush ruleset",
        "nft insert rule inet casemate input iifname csm0 tcp dport 22 accept",
        "echo 'table inet casemate {}' >>/etc/casemate/network/casemate.nft",
        "systemctl disable --now casemate-firewall",
    ],
)
def test_walls_that_somebody_broke_are_mended(deployed: Deployment, yard: Yard, damage: str) -> None:
    with yard.flushed():
        yard.host.run(damage)
    assert changed(deployed, "--only", "network") >= 1
    assert planned(deployed, "--only", "network") == []
    if damage == "nft flush ruleset":
        assert yard.reached(ISOLATED, all_of(GATEWAYS[ISOLATED])) == set()
        yard.host.run("nft list chain ip nat DOCKER")  # the engine's own rules are back as well


def test_the_distributions_firewall_does_not_take_the_walls_along(yard: Yard) -> None:
    """Whatever it does, it flushes all that there is, and loads three empty chains at most."""
    with yard.flushed():
        for verb in ("start", "reload", "restart", "stop"):
            yard.host.run(f"nft add table inet victim; systemctl {verb} nftables")
            tables = yard.says("nft list tables").splitlines()
            assert "table inet victim" not in tables, f"{verb}: it did not flush"
            assert {"table inet casemate", "table bridge casemate"} <= set(tables), verb
    yard.restart_engine()


def test_without_walls_there_is_no_engine_and_a_deploy_mends_both(deployed: Deployment, yard: Yard) -> None:
    yard.host.run("echo garbage >>/etc/casemate/network/casemate.nft")
    yard.host.run("systemctl stop docker.socket docker casemate-firewall")
    assert yard.host.run("systemctl start docker", check=False).status != 0
    assert yard.host.run("systemctl is-active docker", check=False).status != 0
    deployed.casemate("deploy", "--only", "docker", "--only", "network")
    assert yard.says("systemctl is-active docker casemate-firewall").split() == ["active", "active"]


def test_after_a_restart_the_walls_stand_before_the_engine(deployed: Deployment, yard: Yard) -> None:
    yard.host.container.restart(timeout=1)  # as good as a power cut
    eventually(lambda: yard.host.run("systemctl is-active docker", check=False).status == 0, seconds=60)
    assert yard.says("systemctl is-active casemate-firewall").strip() == "active"
    show = "systemctl show --property {} --value {}"
    walls = int(yard.says(show.format("ActiveEnterTimestampMonotonic", "casemate-firewall")))
    engine = int(yard.says(show.format("InactiveExitTimestampMonotonic", "docker")))
    assert walls < engine
    assert yard.reached(ISOLATED, {("tcp", GATEWAYS[ISOLATED], 22)}) == set()
    deployed.casemate("deploy")


def test_a_network_of_the_same_name_that_is_open_is_made_anew(deployed: Deployment, yard: Yard) -> None:
    """Containers on it go on running, and are on the isolated one afterwards; stopped ones still start."""
    run = f"--network {ISOLATED} --volume /usr:/usr:ro"
    holders = yard.says(f"docker ps -aq --filter network={ISOLATED}").split()
    for holder in holders:
        yard.host.run(f"docker network disconnect --force {ISOLATED} {holder}")
    yard.host.run(
        f"docker network rm {ISOLATED}; docker network create --subnet {SUBNETS[ISOLATED]} "
        f"--opt com.docker.network.bridge.name={BRIDGES[ISOLATED]} {ISOLATED}"
    )
    yard.host.run(f"docker run -d --name casemate-test-runs {run} casemate-test sleep 600")
    yard.host.run(f"docker run --name casemate-test-ended {run} casemate-test true")
    process = "docker inspect -f '{{.State.Pid}}' casemate-test-runs"
    before = yard.says(process)
    assert "Internal=False" in str(planned(deployed, "--only", "network"))
    deployed.casemate("deploy", "--only", "network")
    assert yard.says(process) == before
    inspect = json.loads(yard.says(f"docker network inspect {ISOLATED}"))[0]
    assert inspect["Internal"]
    assert "casemate-test-runs" in {each["Name"] for each in inspect["Containers"].values()}
    yard.host.run("docker start -a casemate-test-ended")
    assert yard.reached(ISOLATED, {("tcp", GATEWAYS[ISOLATED], 22), ("tcp", GATEWAYS[ISOLATED], PORT)}) == set()
    yard.host.run("docker rm -f casemate-test-runs casemate-test-ended")
    assert planned(deployed, "--only", "network") == []


def test_a_dead_engine_is_an_error_and_not_an_absent_network(deployed: Deployment, yard: Yard) -> None:
    """Broken past what a deploy mends: the engine's own program."""
    yard.host.run("systemctl stop docker.socket docker; chmod a-x /usr/sbin/dockerd")
    try:
        done = deployed.casemate("deploy", "--only", "network", status=1)
        assert "docker" in done.stderr
    finally:
        yard.host.run("chmod a+x /usr/sbin/dockerd")
        yard.restart_engine()
    deployed.casemate("deploy", "--only", "network")
