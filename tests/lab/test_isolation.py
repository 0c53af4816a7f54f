"""Attacks from inside, and the same attacks where they must succeed."""

import json
import time
from collections.abc import Iterator

import pytest

from deploy.facts.probes.stage import IN_FLIGHT_SECONDS
from deploy.lab.host import LabHost
from tests.lab.deployment import Deployment, eventually
from tests.lab.probing import OPEN, WALLED, container, experiment, left_behind, program

pytestmark = pytest.mark.lab


@pytest.fixture
def host(deployed: Deployment) -> Iterator[LabHost]:
    """A deployed host, on which no experiment leaves anything."""
    yield deployed.host
    eventually(lambda: left_behind(deployed.host) == [])


def test_nothing_is_reached_from_the_isolated_network_and_everything_from_an_open_one(host: LabHost) -> None:
    with container(host, "casemate-test-walled", WALLED) as model:
        found = experiment(host, model)
    for name in ("host_tcp", "neighbours", "resolver", "icmp", "writes", "syscalls"):
        assert found[name]["reached"] == [], name
        assert found[name]["proven"], f"{name}: the control reached nothing, so nothing is proven"
    assert any(target.endswith(":22") for target in found["host_tcp"]["proven"]), "sshd answers the open network"
    assert any(target.endswith(":443") for target in found["host_tcp"]["proven"]), "so does the door"
    assert "a container beside it" in found["neighbours"]["proven"]
    assert "127.0.0.11 by udp" in found["resolver"]["proven"]
    assert {"mount", "AF_VSOCK", "ICMP socket", "raw socket"} <= set(found["syscalls"]["proven"])


def test_the_same_probes_get_through_where_there_are_no_walls(host: LabHost) -> None:
    """Else they would prove nothing by failing."""
    with container(host, "casemate-test-open", OPEN) as model:
        found = experiment(host, model)
    assert any(":22 (open)" in target for target in found["host_tcp"]["reached"])
    assert found["icmp"]["reached"]
    assert found["routes"]["reached"]
    assert "/etc (written)" in found["writes"]["reached"]
    assert "AF_VSOCK (allowed)" in found["syscalls"]["reached"]


def test_without_the_firewall_table_the_host_is_reached(deployed: Deployment, host: LabHost) -> None:
    """An internal network with icc off is not enough: that is what the table is for."""
    with container(host, "casemate-test-walled", WALLED) as model:
        host.run("nft delete table inet casemate; nft delete table bridge casemate")
        try:
            found = experiment(host, model)
        finally:
            deployed.casemate("deploy", "--only", "network")
        engine = int(host.run("docker version --format '{{.Server.Version}}'").stdout.split(".")[0])
        if engine < 28:  # from there on the bridge has no address that could be reached
            assert any(":22 (open)" in target for target in found["host_tcp"]["reached"])
            assert found["resolver"]["reached"]
        assert experiment(host, model)["host_tcp"]["reached"] == [], "and the deploy puts it back"


def test_a_resolver_that_may_be_somebody_s_is_a_finding_and_is_not_asked(host: LabHost) -> None:
    leaking = tuple("127.0.0.53" if option == "192.0.2.1" else option for option in WALLED)
    with container(host, "casemate-test-leaking", leaking) as model:
        assert "127.0.0.53 (the engine would ask it)" in experiment(host, model)["resolver"]["reached"]


def test_two_experiments_at_once_do_not_disturb_each_other(host: LabHost) -> None:
    with container(host, "casemate-test-walled", WALLED) as model:
        command = program(host, model)
        done = host.run(f"{command} >/tmp/one & {command} >/tmp/two; wait; cat /tmp/one /tmp/two")
    for line in done.stdout.splitlines():
        assert json.loads(line)["host_tcp"]["reached"] == []


@pytest.mark.parametrize("signal", ["KILL", "HUP"])
def test_an_experiment_that_is_killed_leaves_nothing(host: LabHost, signal: str) -> None:
    with container(host, "casemate-test-walled", WALLED) as model:
        host.run(f"{program(host, model)} >/dev/null 2>&1 & echo $! >/tmp/casemate-probe.pid")
        eventually(lambda: len(left_behind(host)) >= 2)
        host.run(f"kill -{signal} $(cat /tmp/casemate-probe.pid)")
        eventually(lambda: left_behind(host) == [])
        time.sleep(IN_FLIGHT_SECONDS + 1)
        assert left_behind(host) == [], "nor does the engine finish what it was asked for last"


def test_what_an_earlier_experiment_could_not_remove_the_next_one_does(host: LabHost) -> None:
    """The host lost its power in the middle of one."""
    labels = "--label casemate.probe=dead --label casemate.probe.started=1"
    host.run(f"docker network create {labels} casemate-probe-dead")
    with container(host, "casemate-test-walled", WALLED) as model:
        experiment(host, model)
    assert "casemate-probe-dead" not in host.run("docker network ls").stdout


def test_a_container_that_is_not_there_is_said_to_be_none(host: LabHost) -> None:
    found = json.loads(host.run(program(host, "casemate-vision-nobody")).stdout)
    assert "no such container" in found["error"].lower()
