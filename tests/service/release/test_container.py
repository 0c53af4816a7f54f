"""A container is what its signed specification says, and drift from that is told."""

from typing import Any

import pytest

from service.release.container import create_arguments, drift
from tests.service.release.conftest import spec


def arguments(**changes: Any) -> dict[str, Any]:
    return create_arguments(spec("vision", **changes), "0123456789ab", "micro-ba9876543210", "sha256:1", '{"x": 1}')


def inspected(wanted: dict[str, Any]) -> dict[str, Any]:
    """As the engine shows it: its own fields added, and null for what is empty."""
    config = {**wanted, "Domainname": ""}
    host_config = {key: value or None for key, value in wanted["HostConfig"].items()}
    host_config |= {"Privileged": False, "PublishAllPorts": False, "AutoRemove": False, "CpuShares": 0}
    networks: dict[str, Any] = {wanted["HostConfig"]["NetworkMode"]: {}}
    return {
        "Image": wanted["Image"],
        "Config": config,
        "HostConfig": host_config,
        "NetworkSettings": {"Networks": networks},
    }


def test_the_walls_are_in_the_arguments() -> None:
    wanted = arguments()
    walls = wanted["HostConfig"]
    assert (walls["CapDrop"], walls["ReadonlyRootfs"], walls["Privileged"]) == (["ALL"], True, False)
    assert walls["SecurityOpt"] == ["no-new-privileges", 'seccomp={"x": 1}']
    assert walls["Memory"] == walls["MemorySwap"] == 1 << 30
    assert walls["NanoCpus"] == 1_500_000_000
    assert walls["Mounts"][0]["Source"] == "/var/lib/casemate/models/micro-ba9876543210"
    assert walls["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 5}
    assert walls["PortBindings"] == {}
    assert "CASEMATE_VISION_RELEASE=0123456789ab" in wanted["Env"]
    assert wanted["Labels"]["casemate.release"] == "0123456789ab"


def test_gpus_are_named() -> None:
    assert arguments(gpus=["GPU-1"])["HostConfig"]["DeviceRequests"] == [
        {"Driver": "nvidia", "DeviceIDs": ["GPU-1"], "Capabilities": [["gpu"]]}
    ]


def test_the_label_covers_everything() -> None:
    labels = {
        arguments(**changes)["Labels"]["casemate.spec"]
        for changes in ({}, {"memory": 2 << 30}, {"user": "1:1"}, {"command": ["sh"]}, {"environment": {"A": "b"}})
    }
    assert len(labels) == 5


def test_what_is_as_wanted_has_no_drift() -> None:
    assert drift(arguments(), inspected(arguments())) == []


@pytest.mark.parametrize(
    ("place", "key", "value"),
    [
        ("HostConfig", "Memory", 1),
        ("HostConfig", "Privileged", True),
        ("HostConfig", "CapAdd", ["SYS_ADMIN"]),
        ("HostConfig", "Binds", ["/:/host"]),
        ("HostConfig", "PortBindings", {"80/tcp": [{"HostPort": "80"}]}),
        ("HostConfig", "RestartPolicy", {"Name": "always", "MaximumRetryCount": 0}),
        ("HostConfig", "SecurityOpt", ["seccomp=unconfined"]),
        ("Config", "User", "0:0"),
        ("Config", "Labels", {}),
        ("NetworkSettings", "Networks", {"none": {}, "bridge": {}}),
    ],
)
def test_drift_is_told(place: str, key: str, value: Any) -> None:
    found = inspected(arguments())
    found[place][key] = value
    told = drift(arguments(), found)
    assert told
    assert all("expected" in line for line in told)


def test_another_image_is_drift() -> None:
    assert drift(arguments(), {**inspected(arguments()), "Image": "sha256:2"}) == [
        "Image: got sha256:2, expected sha256:1"
    ]
