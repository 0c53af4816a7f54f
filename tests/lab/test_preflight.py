"""A host that lacks something is refused with everything at once, and nothing on it is changed."""

from collections.abc import Iterator

import pytest

from deploy.settings.network import NetworkSettings
from tests.lab.deployment import Deployment, eventually

pytestmark = pytest.mark.lab

SUBNET = NetworkSettings().subnet
ROUTE = list(SUBNET.subnets())[1]
_EVERYTHING = (
    "find /etc /opt/casemate /var/lib/casemate -xdev -path /var/lib/casemate/sentinel -prune "
    "-o -printf '%p %m %u %s %T@ %C@\\n' | sort | sha256sum"
)
"""But for what the sentinel writes by itself all the time."""


@pytest.fixture
def unfit(deployed: Deployment) -> Iterator[Deployment]:
    """A host of another distribution, with a route where the network is to be and a stranger at the door."""
    host = deployed.host
    host.run("cp --preserve=all /etc/os-release /root/os-release && rm /etc/os-release")
    host.run("printf 'ID=fedora\\nVERSION_ID=42\\nNAME=\"Fedora Linux\"\\n' >/etc/os-release")
    host.run(f"ip route add {ROUTE} dev lo")
    host.run("systemd-run --quiet --unit casemate-test-door python3 -m http.server 4443")
    eventually(lambda: ":4443" in host.run("ss -ltn").stdout)
    yield deployed
    host.run(f"systemctl stop casemate-test-door; ip route del {ROUTE} dev lo")
    host.run("rm /etc/os-release && cp --preserve=all /root/os-release /etc/os-release")


def test_every_shortfall_is_told_at_once_and_nothing_is_changed(unfit: Deployment) -> None:
    before = unfit.host.run(_EVERYTHING).stdout
    wishes = {"proxy.port": 4443, "preflight.min_memory_gb": 9000, "preflight.min_disk_gb": 900_000}
    data = [word for key, value in wishes.items() for word in ("--data", f"{key}={value}")]
    said = unfit.casemate("deploy", *data, status=1).stderr
    assert "this is Fedora 42, expected Debian 12 or 13, or Ubuntu 22.04 or 24.04" in said
    assert "expected at least 9000 GB" in said
    assert "4443 is held by python3" in said
    assert f"{SUBNET} overlaps the route to {ROUTE} by lo" in said
    assert "nothing was changed" in said
    assert unfit.host.run(_EVERYTHING).stdout == before


def test_a_plan_refuses_the_same(unfit: Deployment) -> None:
    assert "this is Fedora 42" in unfit.casemate("plan", status=1).stderr


def test_the_same_host_is_fit_otherwise(deployed: Deployment) -> None:
    deployed.casemate("plan")
