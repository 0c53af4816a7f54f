"""The experiment of `casemate verify`, made on a lab host with containers of a test's own."""

import json
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from deploy.facts.program import self_contained
from deploy.lab.host import LabHost
from deploy.paths import ROOT

_PROGRAM, _FILTER = "/root/casemate-probe.py", "/root/casemate-seccomp.json"

WALLED = (
    *("--network", "casemate", "--user", "64010:64010", "--read-only", "--cap-drop", "ALL", "--memory", "256m"),
    *("--security-opt", "no-new-privileges", "--security-opt", f"seccomp={_FILTER}"),
    *("--tmpfs", "/tmp:size=16m,nosuid,nodev,noexec", "--dns", "192.0.2.1", "--pids-limit", "64"),
    *("--sysctl", "net.ipv4.ping_group_range=1 0"),
)
"""As vision is hardened, but on the isolated network, which vision itself does without."""

OPEN = ("--network", "bridge", "--user", "0:0", "--dns", "192.0.2.1", "--security-opt", "seccomp=unconfined")


def image(host: LabHost) -> str:
    """The image of the release in service."""
    listed = "docker ps --filter label=casemate.component=vision --format '{{.Image}}'"
    return host.run(listed).stdout.split()[0]


@contextmanager
def container(host: LabHost, name: str, options: tuple[str, ...]) -> Iterator[str]:
    """A container that only waits."""
    host.put(_FILTER, (ROOT / "templates" / "vision" / "seccomp.json").read_bytes())
    command = ["docker", "run", "--detach", "--name", name, *options, image(host)]
    host.run(shlex.join([*command, "python3", "-c", "import time; time.sleep(600)"]))
    try:
        yield name
    finally:
        host.run(f"docker rm --force {name}")


def program(host: LabHost, model: str) -> str:
    """Put the experiment on the host; the command that makes it."""
    attempts = self_contained("deploy.facts.probes.attempt")
    host.put(_PROGRAM, self_contained("deploy.facts.probes.experiment", attempts, model).encode())
    return f"python3 {_PROGRAM}"


def experiment(host: LabHost, model: str) -> dict[str, Any]:
    """What is reached from a twin of the container `model`, and what an open network proves."""
    found: dict[str, Any] = json.loads(host.run(program(host, model)).stdout)
    assert "error" not in found, found
    return found


def left_behind(host: LabHost) -> list[str]:
    """Containers and networks that experiments have not removed."""
    containers = host.run("docker ps --all --quiet --filter label=casemate.probe").stdout.split()
    return containers + host.run("docker network ls --quiet --filter label=casemate.probe").stdout.split()
