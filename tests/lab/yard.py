"""The ground between the walls: throwaway containers on the isolated and on an open network, and a host that listens.

The containers are root with every capability that Docker gives, and a route by whichever gateway they like: what these
cannot reach, the model's cannot either. They run the lab host's own /usr, so that no image has to be fetched.
"""

import json
import shlex
from dataclasses import dataclass
from pathlib import Path

from deploy.lab.host import LabHost

ATTEMPTS = (Path(__file__).parent / "attempts.py").read_text()
ISOLATED, OPEN = "casemate", "casemate-test-open"
GATEWAYS = {ISOLATED: "172.31.250.1", OPEN: "172.31.249.1"}
BRIDGES = {ISOLATED: "csm0", OPEN: "open0"}
PORT = 9009

_LISTEN = f"""
import socket, threading
def echo():
    wire = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    wire.bind(("::", {PORT}))
    while True:
        data, sender = wire.recvfrom(64)
        wire.sendto(data, sender)
threading.Thread(target=echo, daemon=True).start()
door = socket.create_server(("::", {PORT}), family=socket.AF_INET6, dualstack_ipv6=True)
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
            f"docker network inspect {OPEN} >/dev/null 2>&1 || docker network create --subnet {GATEWAYS[OPEN]}/24 "
            f"--opt com.docker.network.bridge.name={BRIDGES[OPEN]} {OPEN}"
        )
        listen = f"systemd-run --quiet --unit casemate-test-listener python3 -c {shlex.quote(_LISTEN)}"
        self.host.run(f"systemctl is-active --quiet casemate-test-listener || {listen}")

    def clear(self) -> None:
        """Take away all that was made here."""
        self.host.run("systemctl stop casemate-test-listener", check=False)
        self.host.run("docker rm -f $(docker ps -aq --filter name=casemate-test)", check=False)
        self.host.run(f"docker network rm {OPEN}; docker rmi casemate-test", check=False)

    @property
    def address(self) -> str:
        """The host's own address in the lab's network."""
        return self.host.run("ip -4 -o addr show dev eth0 | awk '{print $4}' | cut -d/ -f1").stdout.strip()

    def listener(self, network: str) -> str:
        """A container that answers everything, on this network; its address."""
        name = f"casemate-test-listener-{network}"
        options = f"--detach --name {name} --network {network} --volume /usr:/usr:ro"
        running = f"docker ps --quiet --filter name=^{name}$ --filter status=running"
        start = (
            f"docker rm -f {name} >/dev/null 2>&1; docker run {options} casemate-test python3 -c {shlex.quote(_LISTEN)}"
        )
        self.host.run(f'test -n "$({running})" || {{ {start}; sleep 0.5; }}')
        return self.host.run(
            f"docker inspect -f '{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}' {name}"
        ).stdout.strip()

    def reached(self, network: str, targets: set[Target], *options: str, route: bool = True) -> set[Target]:
        """Which targets answer a container on this network; it takes the bridge for its gateway unless told not to."""
        plan = {"targets": sorted(targets), "gateway": GATEWAYS[network] if route else None}
        words = ["docker", "run", "--rm", "--network", network, "--cap-add", "NET_ADMIN", "--volume", "/usr:/usr:ro"]
        return self._answers([*words, *options, "casemate-test", "python3", "-c", ATTEMPTS, json.dumps(plan)])

    def reached_from_here(self, targets: set[Target]) -> set[Target]:
        """Which targets answer this host itself."""
        return self._answers(["python3", "-c", ATTEMPTS, json.dumps({"targets": sorted(targets)})])

    def _answers(self, words: list[str]) -> set[Target]:
        said = self.host.run(shlex.join(words)).stdout
        return {(kind, address, port) for kind, address, port in json.loads(said.splitlines()[-1])}
