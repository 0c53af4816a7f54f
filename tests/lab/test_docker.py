"""The engine runs as its file says, on the engines of both distributions, and its containers outlive its restarts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.components.docker import CHECK
from tests.lab.deployment import Deployment
from tests.lab.repository import FakeRepository
from tests.lab.yard import Yard, planned

pytestmark = pytest.mark.lab

KEY = "/etc/apt/keyrings/docker.asc"


@pytest.fixture(scope="module")
def ground(deployed: Deployment) -> Iterator[Yard]:
    """The host; what was made on it is gone afterwards."""
    yard = Yard(deployed.host)
    yard.clear()
    yield yard
    yard.clear()


@pytest.fixture
def yard(ground: Yard) -> Yard:
    """The same, with the test image."""
    ground.prepare()
    return ground


def container(yard: Yard, *command: str, options: str = "") -> str:
    """What a command in a container without any option of ours prints."""
    return yard.says(f"docker run --rm --volume /usr:/usr:ro {options} casemate-test {' '.join(command)}")


def test_the_running_engine_is_the_configured_one(yard: Yard) -> None:
    info = json.loads(yard.says("docker info --format '{{json .}}'"))
    found = {key: info[key] for key in ("LiveRestoreEnabled", "LoggingDriver", "DefaultRuntime")}
    assert found == {"LiveRestoreEnabled": True, "LoggingDriver": "local", "DefaultRuntime": "runc"}
    bridge = json.loads(yard.says("docker network inspect bridge"))[0]["Options"]
    assert bridge["com.docker.network.bridge.enable_icc"] == "false"
    assert bridge["com.docker.network.bridge.host_binding_ipv4"] == "127.0.0.1"
    assert not yard.says("ps -o args= -C docker-proxy || true")


def test_a_container_that_nobody_hardened_is_closed_all_the_same(yard: Yard) -> None:
    """Against the control of a container that asks for the opposite."""
    assert "NoNewPrivs:\t1" in container(yard, "grep NoNewPrivs /proc/self/status")
    opened = container(yard, "grep NoNewPrivs /proc/self/status", options="--security-opt no-new-privileges=false")
    assert "NoNewPrivs:\t0" in opened
    assert container(yard, "sh -c 'ulimit -Hc'").strip() == "0"
    assert container(yard, "sh -c 'ulimit -Hc'", options="--ulimit core=1048576").strip() != "0"
    assert "nameserver 192.0.2.1" in container(yard, "cat /etc/resolv.conf")


def test_a_port_is_published_on_loopback_unless_asked_otherwise(yard: Yard) -> None:
    run = (
        "docker run --detach --name casemate-test-port --publish {}9010:80 --volume /usr:/usr:ro casemate-test sleep 99"
    )
    for asked, bound in (("", "127.0.0.1"), ("0.0.0.0:", "0.0.0.0")):
        yard.host.run(run.format(asked))
        assert yard.says("docker port casemate-test-port").strip() == f"80/tcp -> {bound}:9010"
        yard.host.run("docker rm --force casemate-test-port")


def test_containers_of_an_engine_without_live_restore_outlive_its_new_configuration(
    deployed: Deployment, yard: Yard
) -> None:
    """As on a host that had Docker before us: stopping such an engine would stop every container."""
    yard.host.run("echo '{}' >/etc/docker/daemon.json")
    yard.restart_engine()
    assert yard.says("docker info --format '{{.LiveRestoreEnabled}}'").strip() == "false"
    yard.host.run("docker run --detach --name casemate-test-stays --volume /usr:/usr:ro casemate-test sleep 600")
    started = "docker inspect --format '{{.State.Pid}} {{.State.StartedAt}} {{.State.Running}}' casemate-test-stays"
    before = yard.says(started)
    deployed.casemate("deploy", "--only", "docker")
    assert yard.says("docker info --format '{{.LiveRestoreEnabled}}'").strip() == "true"
    assert yard.says(started) == before
    yard.host.run("docker rm --force casemate-test-stays")
    assert planned(deployed, "--only", "docker") == []
    yard.restart_engine()  # Its bridge kept the old rules for as long as a container was on it.
    deployed.casemate("deploy")  # An engine that starts without live-restore ends what ran under the one before.
    deployed.casemate("status")


@pytest.mark.parametrize(
    ("content", "since"), [("{", (20, 10)), ('{"nosuchkey": 1}', (23, 0)), ('{"icc": "no"}', (23, 0)), ("{}", None)]
)
def test_a_configuration_that_the_engine_would_refuse_never_goes_into_place(
    yard: Yard, content: str, since: tuple[int, int] | None
) -> None:
    """20.10 cannot be asked: there only the form is judged, and our template's keys by a test of their own."""
    engine = yard.says("docker version --format '{{.Server.Version}}'").split(".")
    refused = since is not None and (int(engine[0]), int(engine[1])) >= since
    yard.host.run(f"echo '{content}' >/root/daemon.json")
    assert bool(yard.host.run(CHECK.format("/root/daemon.json"), check=False).status) is refused


def test_dockers_own_repository_is_believed_by_its_fingerprint_alone(bare: Deployment, tmp_path: Path) -> None:
    """On a host of its own: Docker's packages displace the distribution's."""
    repository = FakeRepository(bare.host, tmp_path / "docker.asc")
    repository.build()
    own, files = ("--only", "docker", *repository.data()), f"ls /etc/apt/sources.list.d/docker.sources {KEY}"
    wrong = bare.casemate("deploy", *own, "--data", f"docker.key_fingerprint={'0' * 39}F", status=1)
    assert f"holds the key {repository.fingerprint}, expected only {'0' * 39}F" in wrong.stderr
    assert bare.host.run(files, check=False).status
    bare.casemate("deploy", *own)
    [silent] = planned(bare, *own)
    assert "active, but does not answer" in silent, "the only thing that is wrong with it: it sleeps"
    assert repository.url in bare.host.run("apt-cache policy docker-ce").stdout
    bare.host.run(f"sed -i '2a AAAA' {KEY}")
    assert len(planned(bare, *own)) == 2
    bare.casemate("deploy", *own)
    refresh = "apt-get update -q -o APT::Update::Error-Mode=any"
    bare.host.run(refresh)
    repository.sign_with_another_key()
    assert bare.host.run(refresh, check=False).status != 0
    bare.casemate("deploy", "--only", "docker")
    assert bare.host.run(files, check=False).status
    assert bare.host.run("docker info --format '{{.LiveRestoreEnabled}}'").stdout.strip() == "true"
