"""The ground between the walls: throwaway containers on the isolated and on an open network, and a host that listens.

The containers are root with every capability that Docker gives, and a route by whichever gateway they like: what these
cannot reach, the model's cannot either. They run the lab host's own /usr, so that no image has to be fetched.
"""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_interface
from pathlib import Path
from typing import Any

from deploy.lab.host import LabHost
from deploy.paths import ROOT
from deploy.settings.network import NetworkSettings
from tests.lab.deployment import Deployment

ATTEMPTS = (Path(__file__).parent / "attempts.py").read_text()
ISOLATED, OPEN = "casemate", "casemate-test-open"
SETTINGS = NetworkSettings()
SUBNETS = {ISOLATED: SETTINGS.subnet, OPEN: IPv4Network("10.73.249.0/24")}
GATEWAYS = {network: str(subnet[1]) for network, subnet in SUBNETS.items()}
TRIES = {ISOLATED: 1, OPEN: 10}
"""For each target: where it must answer, it may be slow to."""
BRIDGES = {ISOLATED: SETTINGS.bridge, OPEN: "open0"}
PORT = 9009
_READY = "/run/ready"
PICTURE = str(ROOT / "service" / "micro" / "golden.png")

_LISTEN = f"""
import socket, sys, threading
wire = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
wire.bind(("::", {PORT}))
def echo():
    while True:
        data, sender = wire.recvfrom(64)
        wire.sendto(data, sender)
threading.Thread(target=echo, daemon=True).start()
door = socket.create_server(("::", {PORT}), family=socket.AF_INET6, dualstack_ipv6=True)
open(sys.argv[1], "w").close()
while True:
    door.accept()[0].close()
"""

Target = tuple[str, str, int]


def all_of(address: str) -> set[Target]:
    """Every way of knocking at an address where `listen` runs."""
    return {("tcp", address, PORT), ("udp", address, PORT), ("ping", address, 0)}


@dataclass(frozen=True)
class Yard:
    """A lab host that the walls stand on, made ready for an attack."""

    host: LabHost

    def prepare(self) -> None:
        """An image, an open network beside the isolated one, and something that listens everywhere on the host."""
        layout = "mkdir -p usr etc proc sys dev tmp run; for l in bin sbin lib lib64; do ln -s usr/$l $l; done"
        self.host.run(
            "docker image inspect casemate-test >/dev/null 2>&1 || "
            f"{{ d=$(mktemp -d); cd $d; {layout}; tar c . | docker import - casemate-test; rm -rf $d; }}"
        )
        self.host.run(
            f"docker network inspect {OPEN} >/dev/null 2>&1 || docker network create --subnet {SUBNETS[OPEN]} "
            f"--opt com.docker.network.bridge.name={BRIDGES[OPEN]} {OPEN}"
        )
        if self.host.run("systemctl is-active --quiet casemate-test-listener", check=False).status:
            self.start("casemate-test-listener", _LISTEN)

    def start(self, unit: str, program: str) -> None:
        """Run a Python program on the host in the background, until the unit is stopped or the host is restarted.

        It is ready when it has made the file that is its argument.
        """
        ready = f"/run/{unit}.ready"
        self.host.run(f"rm -f {ready}; cat >/run/{unit}.py <<'CASEMATE'\n{program}\nCASEMATE")
        self.host.run(f"systemd-run --quiet --collect --unit {unit} python3 /run/{unit}.py {ready}")
        self.until(f"test -e {ready}")

    def until(self, condition: str) -> None:
        """Wait until a command on the host succeeds."""
        self.host.run(f"for n in $(seq 300); do {condition} && exit; sleep 0.1; done; exit 1")

    def clear(self) -> None:
        """Take away all that was made here."""
        self.host.run("systemctl stop casemate-test-listener", check=False)
        self.host.run("docker rm -f $(docker ps -aq --filter name=casemate-test)", check=False)
        self.host.run(f"docker network rm {OPEN}; docker rmi casemate-test", check=False)

    def restart_engine(self) -> None:
        """However often: systemd would give up after three times in a minute."""
        self.host.run("systemctl reset-failed docker; systemctl restart docker")

    @contextmanager
    def flushed(self) -> Iterator[None]:
        """Whatever is flushed meanwhile, the lab host finds names afterwards: its resolver is the operator's engine, by
        rules that this one wrote into the host's own network namespace.
        """
        lines = self.says("iptables-save -t nat").splitlines()
        resolver = [line for line in lines if "DOCKER_OUTPUT" in line or "DOCKER_POSTROUTING" in line]
        try:
            yield
        finally:
            rules = "\n".join(["*nat", *resolver, "COMMIT"])
            missing = "! iptables -t nat -n -L DOCKER_OUTPUT >/dev/null 2>&1"
            self.host.run(f"if {missing}; then iptables-restore --noflush <<'E'\n{rules}\nE\nfi")

    @property
    def address(self) -> str:
        """The host's own address in the lab's network."""
        return self.says("ip -4 -o addr show dev eth0 | awk '{print $4}' | cut -d/ -f1").strip()

    def says(self, command: str) -> str:
        """What a question to the host prints."""
        return says(self.host, command)

    def listener(self, network: str) -> str:
        """A container that answers everything, on this network; its address."""
        name = f"casemate-test-listener-{network}"
        options = f"--detach --name {name} --network {network} --volume /usr:/usr:ro"
        running = f"docker ps --quiet --filter name=^{name}$ --filter status=running"
        program = f"python3 -c {shlex.quote(_LISTEN)} {_READY}"
        start = f"docker rm -f {name} >/dev/null 2>&1; docker run {options} casemate-test {program}"
        self.host.run(f'test -n "$({running})" || {{ {start}; }}')
        self.until(f"docker exec {name} test -e {_READY}")
        return self.says(
            f"docker inspect -f '{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}' {name}"
        ).strip()

    def reached(self, network: str, targets: set[Target], *options: str) -> set[Target]:
        """Which targets answer a container on this network; it takes the bridge for its gateway."""
        plan = {"targets": sorted(targets), "gateway": GATEWAYS[network], "tries": TRIES[network]}
        return self._reached(network, plan, *options)

    def reached_by_ipv6(self, network: str, targets: set[Target]) -> set[Target]:
        """The same, of a container that has an IPv6 address: Docker gives it none, this one helps itself."""
        plan = {"targets": sorted(targets), "ipv6": True, "tries": TRIES[network]}
        return self._reached(network, plan, "--sysctl", "net.ipv6.conf.all.disable_ipv6=0")

    def _reached(self, network: str, plan: dict[str, Any], *options: str) -> set[Target]:
        words = ["docker", "run", "--rm", "--network", network, "--cap-add", "NET_ADMIN", "--volume", "/usr:/usr:ro"]
        return _answers(self.host, [*words, *options, "casemate-test", "python3", "-c", ATTEMPTS, json.dumps(plan)])

    def reached_from_here(self, targets: set[Target]) -> set[Target]:
        """Which targets answer this host itself, before which no wall stands."""
        plan = {"targets": sorted(targets), "tries": TRIES[OPEN]}
        return _answers(self.host, ["python3", "-c", ATTEMPTS, json.dumps(plan)])


@dataclass(frozen=True)
class Neighbour:
    """A machine of its own on the lab's network: a network namespace of another lab host, of other addresses."""

    host: LabHost

    def prepare(self) -> str:
        """Move in; the neighbour's address."""
        own = ip_interface(says(self.host, "ip -4 -o addr show dev eth0 | awk '{print $4}'").strip())
        address = f"{own.network.broadcast_address - 55}/{own.network.prefixlen}"
        self.leave()
        self.host.run(
            "ip netns add casemate-test && ip link add link eth0 name casemate0 type macvlan mode bridge && "
            "ip link set casemate0 netns casemate-test && "
            f"ip -n casemate-test addr add {address} dev casemate0 && ip -n casemate-test link set casemate0 up"
        )
        return address.partition("/")[0]

    def leave(self) -> None:
        """Move out."""
        self.host.run("ip netns del casemate-test", check=False)

    def reached(self, network: str, targets: set[Target], gateway: str) -> set[Target]:
        """Which targets answer the neighbour, who has told his machine that `gateway` leads to this network."""
        self.host.run(f"ip -n casemate-test route replace {SUBNETS[network]} via {gateway}")
        plan = {"targets": sorted(targets), "tries": TRIES[network]}
        inside = ["ip", "netns", "exec", "casemate-test", "python3", "-c", ATTEMPTS]
        return _answers(self.host, [*inside, json.dumps(plan)])


def _answers(host: LabHost, words: list[str]) -> set[Target]:
    said = says(host, shlex.join(words))
    return {(kind, address, port) for kind, address, port in json.loads(said.splitlines()[-1])}


def says(host: LabHost, command: str) -> str:
    """What a question to a host prints; it must succeed."""
    return host.run(command).stdout


def planned(deployed: Deployment, *arguments: str) -> list[str]:
    """What a plan would change, with the differences; empty when the host is as wanted."""
    changes = deployed.json("plan", *arguments)["hosts"][deployed.host.name]["changes"]
    return ["\n".join([change["operation"], *change["differences"]]) for change in changes]


def changed(deployed: Deployment, *arguments: str) -> int:
    """How many operations of a deploy changed something."""
    return int(deployed.json("deploy", *arguments)["hosts"][deployed.host.name]["changed"])


def verdict(deployed: Deployment, control: str, status: int | None = None) -> str:
    """What `verify`, which exits with this status if one is expected, says of one control on the host."""
    findings = deployed.json("verify", status=status)["hosts"][deployed.host.name]["findings"]
    [found] = [finding["verdict"] for finding in findings if finding["control"] == control]
    return str(found)


def answers(deployed: Deployment) -> bool:
    """Is a question about a picture answered through the proxy?"""
    return deployed.casemate("ask", PICTURE, "What shape is this?", status=None).returncode == 0


def containers(deployment: Deployment, component: str = "vision") -> list[dict[str, Any]]:
    """What Docker tells of each container of a component, running or not."""
    names = deployment.host.run(f"docker ps -aq --filter label=casemate.component={component}").stdout.split()
    return [json.loads(deployment.host.run(f"docker inspect {name}").stdout)[0] for name in names]
