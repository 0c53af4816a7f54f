"""Lab hosts for tests, apart from the operator's own lab: other names in Docker, another state directory."""

import fcntl
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import testinfra

from deploy.lab.host import LabHost
from deploy.lab.lab import Lab
from deploy.lab.rootfs import RELEASES
from deploy.paths import ROOT, cache
from tests.lab.deployment import Deployment, inventory_file

# One name a checkout: what a killed run has left is found and removed by the next one.
_NAME = f"casemate-lab-test-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"


@pytest.fixture(scope="session")
def _alone() -> Iterator[None]:
    """A second test run of this checkout waits until the first has taken its labs down."""
    lock = cache() / "lab" / f"{_NAME}-run.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def lab(_alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """lab1 with Debian 12 and lab2 with Debian 13, the same hosts for the whole run."""
    lab = Lab(_NAME, tmp_path_factory.mktemp("lab") / "state")
    lab.down()
    lab.up(releases=RELEASES)
    yield lab
    lab.down()


@pytest.fixture(scope="session", params=RELEASES)
def lab_host(lab: Lab, request: pytest.FixtureRequest) -> LabHost:
    """Each host of the lab in turn: a test that takes it runs on both releases."""
    return next(host for host in lab.hosts if host.release == request.param)


@pytest.fixture
def over_ssh(lab_host: LabHost) -> testinfra.host.Host:
    """The host as testinfra sees it over SSH, as root through sudo."""
    return testinfra.get_host(
        f"ssh://{lab_host.user}@{lab_host.record.address}:{lab_host.record.ssh_port}",
        sudo=True,
        ssh_identity_file=str(lab_host.key),
        ssh_extra_args=f"-F none -o UserKnownHostsFile={lab_host.known_hosts} -o StrictHostKeyChecking=yes",
    )


@pytest.fixture
def fresh_lab(_alone: None, tmp_path: Path) -> Iterator[Callable[[], Lab]]:
    """Makes a lab of one's own, with no host yet: for a test that breaks hosts or takes them down."""
    made: list[Lab] = []

    def make() -> Lab:
        lab = Lab(f"{_NAME}-fresh", tmp_path / "state")
        lab.down()
        made.append(lab)
        return lab

    yield make
    for lab in made:
        lab.down()


@pytest.fixture(scope="session")
def fleet(_alone: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A lab of its own, both releases, deployed once for the whole run; a test leaves it healthy."""
    folder = tmp_path_factory.mktemp("fleet")
    lab = Lab(f"{_NAME}-fleet", folder / "state")
    lab.down()
    lab.up(releases=RELEASES)
    deployment = Deployment(lab, inventory_file(folder, lab))
    deployment.casemate("deploy")
    yield deployment
    lab.down()


@pytest.fixture(scope="session", params=RELEASES)
def deployed(fleet: Deployment, request: pytest.FixtureRequest) -> Deployment:
    """Each deployed host in turn: a test that takes it runs on both releases."""
    return fleet.of(next(host.name for host in fleet.lab.hosts if host.release == request.param))


@pytest.fixture
def bare(fresh_lab: Callable[[], Lab], tmp_path: Path) -> Deployment:
    """A host that nothing was deployed to."""
    lab = fresh_lab()
    lab.up(hosts=1)
    return Deployment(lab, inventory_file(tmp_path, lab), "lab1")
