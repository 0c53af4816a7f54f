"""casemate verify on a deployed host: good as it is, and every damage is found, and nothing is changed by looking."""

import subprocess

import pytest

from deploy.judgement.control import load_controls
from deploy.paths import ROOT
from tests.lab.deployment import Deployment, eventually
from tests.lab.probing import image, left_behind
from tests.lab.sentinels import verb

pytestmark = pytest.mark.lab


def verdicts(deployed: Deployment, status: int | None = None) -> dict[str, str]:
    """Control to verdict."""
    found = deployed.json("verify", status=status)["hosts"][deployed.host.name]
    return {finding["control"]: finding["verdict"] for finding in found["findings"]}


def test_a_deployed_host_passes_every_control(deployed: Deployment) -> None:
    done = deployed.casemate("verify")
    summary = f"{deployed.host.name}: {len(load_controls())} passed, 0 failed, 0 unknown"
    assert done.stdout.splitlines()[-1] == summary
    assert left_behind(deployed.host) == []


def test_looking_changes_nothing(deployed: Deployment) -> None:
    before = deployed.json("plan")["hosts"][deployed.host.name]["changes"]
    deployed.casemate("verify")
    assert deployed.json("plan")["hosts"][deployed.host.name]["changes"] == before


def test_plain_pyinfra_judges_the_same_and_its_exit_status_says_so(deployed: Deployment) -> None:
    host = deployed.host
    command = [".venv/bin/pyinfra", deployed.inventory, "deploy/verify.py", "--limit", host.name, "-y"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    host.run("chmod 0644 /etc/casemate/proxy/server.pem")
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    finally:
        host.run("chmod 0600 /etc/casemate/proxy/server.pem")
    assert done.returncode == 1
    assert "failed door-key-is-root-s-alone" in done.stderr


DAMAGE = {
    "door-key-is-root-s-alone": (
        "chmod 0644 /etc/casemate/proxy/server.pem",
        "chmod 0600 /etc/casemate/proxy/server.pem",
    ),
    "gate-keys-are-read-by-gate-alone": (
        "chmod 0644 /etc/casemate/gate/keys.json",
        "chmod 0440 /etc/casemate/gate/keys.json",
    ),
    "logs-are-read-by-their-writers-alone": (
        "chmod 0755 /var/log/casemate/vision",
        "chmod 0750 /var/log/casemate/vision",
    ),
    "docker-socket-is-root-s-alone": ("gpasswd -a ops docker", "gpasswd -d ops docker"),
    "door-is-the-only-way-in": (
        "systemd-run --unit casemate-test-stray python3 -m http.server 8123",
        "systemctl stop casemate-test-stray",
    ),
    "firewall-drops-what-containers-begin": (
        "nft insert rule inet casemate input iifname csm0 accept",
        "systemctl reload casemate-firewall",
    ),
    "docker-runs-what-its-file-says": ("touch /etc/docker/daemon.json", "systemctl restart docker"),
}
"""Control to what somebody did by hand, and how it is undone."""


def test_every_damage_is_found_and_nothing_else(deployed: Deployment) -> None:
    try:
        for damage, _ in DAMAGE.values():
            deployed.host.run(damage)
        eventually(lambda: ":8123" in deployed.host.run("ss -ltn").stdout)
        found = verdicts(deployed, status=1)
    finally:
        for _, repair in DAMAGE.values():
            deployed.host.run(repair)
    seen = {control for control, verdict in found.items() if verdict != "passed"}
    assert seen == {*DAMAGE, "sentinel-has-nothing-unaccepted"}
    verb(deployed, "baseline", "accept", "--all", "--reason", "written anew by what put it right, and the same")
    eventually(lambda: set(verdicts(deployed).values()) == {"passed"}, seconds=60)


def test_a_container_that_poses_as_ours_is_judged_as_ours(deployed: Deployment) -> None:
    host = deployed.host
    labels = "--label casemate.component=vision --label casemate.release=000000000000"
    holes = "--cap-add SYS_ADMIN --security-opt seccomp=unconfined --network bridge --publish 127.0.0.1:8124:80"
    host.run(
        f"docker run --detach --name casemate-test-rogue {labels} {holes} --volume /etc:/etc/host --user 0:0 "
        f"{image(host)} python3 -c 'import time; time.sleep(300)'"
    )
    try:
        found = verdicts(deployed, status=1)
    finally:
        host.run("docker rm --force casemate-test-rogue")
    for control in (
        "container-has-no-capability",
        "container-system-calls-are-filtered",
        "container-runs-as-its-own-user",
        "container-root-is-read-only",
        "container-mounts-only-casemate-s-own",
        "container-memory-is-bounded",
        "container-is-on-no-other-network",
        "container-has-no-way-out",
        "container-publishes-no-port",
    ):
        assert found[control] == "failed", control


def test_a_dead_engine_is_unknown_never_passed_and_not_started_by_looking(deployed: Deployment) -> None:
    host = deployed.host
    host.run("systemctl stop docker.service docker.socket && systemctl start docker.socket")
    try:
        found = verdicts(deployed, status=1)
        assert host.run("systemctl is-active docker.service", check=False).stdout.strip() == "inactive"
    finally:
        host.run("systemctl start docker.service")
    container_controls = {name: verdict for name, verdict in found.items() if name.startswith("container-")}
    assert set(container_controls.values()) == {"unknown"}
    assert found["isolated-network-is-internal"] == "unknown"
    assert found["door-key-is-root-s-alone"] == "passed", "the rest is still judged"
    eventually(lambda: verdicts(deployed)["both-services-run"] == "passed", seconds=60)


def test_two_hosts_are_judged_at_once(fleet: Deployment) -> None:
    found = fleet.json("verify")
    assert found["good"] is True
    assert set(found["hosts"]) == {host.name for host in fleet.lab.hosts}
