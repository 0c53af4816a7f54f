"""The isolated network, as data: what the engine says, and the commands that follow."""

from typing import Any

import pytest
from pyinfra.api.command import FunctionCommand

from deploy.operations.change import differences
from deploy.operations.network import LABEL, digest, isolated_network, wanted_options
from deploy.settings.network import NetworkSettings

SETTINGS = NetworkSettings.model_validate({"subnet": "172.31.250.0/24"})
BRIDGE = "com.docker.network.bridge."


def network(engine: str = "20.10.24+dfsg1", **changes: Any) -> dict[str, Any]:
    """What `docker network inspect` says of a network as wanted; the label is the one that `create` is given."""
    return {
        "Name": "casemate",
        "Driver": "bridge",
        "Internal": True,
        "EnableIPv6": False,
        "Attachable": False,
        "IPAM": {"Driver": "default", "Config": [{"Subnet": "172.31.250.0/24"}]},
        "Options": wanted_options(SETTINGS, engine),
        "Labels": {LABEL: label(engine)},
        "Containers": {},
        **changes,
    }


def label(engine: str) -> str:
    return digest(SETTINGS, wanted_options(SETTINGS, engine))


def container(mode: str, *networks: str) -> dict[str, Any]:
    return {"HostConfig": {"NetworkMode": mode}, "NetworkSettings": {"Networks": {name: {} for name in networks}}}


def docker(engine: str = "20.10.24+dfsg1", **changes: Any) -> dict[str, Any]:
    found = {"networks": {"casemate": network(engine)}, "containers": {}, **changes}
    return {"installed": True, "reachable": True, "error": None, "version": {"Version": engine}, **found}


def verbs(found: list[str]) -> list[str]:
    return [command.removeprefix("docker network ") for command in found]


@pytest.mark.parametrize("engine", ["20.10.24+dfsg1", "26.1.5+dfsg1", "27.5.1", "28.0.0", "29.9.0"])
def test_a_network_as_wanted_is_left_alone(commands: Any, engine: str) -> None:
    assert commands(isolated_network, {"settings": SETTINGS}, docker=docker(engine)) == []


@pytest.mark.parametrize(
    "change",
    [
        {"Internal": False},
        {"EnableIPv6": True},
        {"Attachable": True},
        {"Driver": "macvlan"},
        {"IPAM": {"Config": [{"Subnet": "172.31.0.0/16"}]}},
        {"IPAM": {"Config": [{"Subnet": "172.31.250.0/24"}, {"Subnet": "fd00::/64"}]}},
        {"IPAM": {"Config": None}},
        {"Options": {}},
        {"Options": None},
        {"Options": {**wanted_options(SETTINGS, "20"), f"{BRIDGE}enable_icc": "true"}},
        {"Options": {**wanted_options(SETTINGS, "20"), f"{BRIDGE}trusted_host_interfaces": "eth0"}},
        {"Labels": {}},
        {"Labels": None},
        {"Labels": {LABEL: "0" * 64}},
    ],
)
def test_a_network_that_differs_is_made_anew(commands: Any, change: dict[str, Any]) -> None:
    found = commands(isolated_network, {"settings": SETTINGS}, docker=docker(networks={"casemate": network(**change)}))
    assert [verb.split()[0] for verb in verbs(found)] == ["rm", "create"]


def test_an_absent_network_is_made_internal_and_silent(commands: Any) -> None:
    [command] = commands(isolated_network, {"settings": SETTINGS}, docker=docker(networks={}))
    words = command.split()
    assert {"--internal", "--driver=bridge", "--subnet=172.31.250.0/24", f"--opt={BRIDGE}enable_icc=false"} <= {*words}
    assert f"--label={LABEL}={label('20.10.24')}" in words
    assert words[-1] == "casemate"
    assert "gateway_mode" not in command


def test_an_engine_from_28_on_gives_the_bridge_no_address(commands: Any) -> None:
    [command] = commands(isolated_network, {"settings": SETTINGS}, docker=docker("28.1.1", networks={}))
    assert f"--opt={BRIDGE}gateway_mode_ipv4=isolated" in command.split()


def test_containers_are_taken_off_and_put_back(commands: Any) -> None:
    containers = {
        "runs": container("casemate", "casemate"),
        "stopped": container("casemate", "casemate"),
        "visitor": container("bridge", "bridge", "casemate"),
        "lost": container("casemate"),
        "stranger": container("bridge", "bridge"),
    }
    changed = network(Internal=False, Containers={"1": {"Name": "runs"}, "2": {"Name": "visitor"}})
    found = commands(
        isolated_network, {"settings": SETTINGS}, docker=docker(networks={"casemate": changed}, containers=containers)
    )
    assert [" ".join(verb.split()[:3]) for verb in verbs(found) if not verb.startswith("create")] == [
        "disconnect --force casemate",
        "disconnect --force casemate",
        "disconnect --force casemate",
        "rm casemate",
        "connect casemate lost",
        "connect casemate runs",
        "connect casemate stopped",
        "connect casemate visitor",
    ]


@pytest.mark.parametrize("networks", [{}, {"casemate": network()}], ids=["before create", "before connect"])
def test_a_run_that_died_in_between_is_completed(commands: Any, networks: dict[str, Any]) -> None:
    """Taken off and not put back: only the mode that the container was created with still names the network."""
    containers = {"lost": container("casemate"), "stranger": container("none")}
    found = commands(isolated_network, {"settings": SETTINGS}, docker=docker(networks=networks, containers=containers))
    assert found[-1] == "docker network connect casemate lost"
    assert "stranger" not in " ".join(found)


@pytest.mark.parametrize(
    ("state", "why"),
    [
        ({"installed": True, "reachable": False, "error": "docker.service is inactive"}, "docker.service is inactive"),
        ({"installed": False}, "it is not installed"),
        (None, "Permission denied"),
    ],
)
def test_an_engine_that_does_not_answer_is_planned_for_and_never_believed_empty(
    fake_host: Any, state: Any, why: str
) -> None:
    fake_host(docker=state)
    assert len(list(isolated_network._inner(settings=SETTINGS))) == 1
    fake_host(executing=True, docker=state, errors={"docker": "Permission denied"})
    [command] = isolated_network._inner(settings=SETTINGS)
    assert isinstance(command, FunctionCommand)
    assert why in command.args[0]


def test_a_plan_shows_what_differs(fake_host: Any) -> None:
    host = fake_host(docker=docker(networks={"casemate": network(Internal=False)}))
    list(isolated_network._inner(settings=SETTINGS))
    assert "+Driver=bridge Internal=True" in differences(host, "operation")[0]
