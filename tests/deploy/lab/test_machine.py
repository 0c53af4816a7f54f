"""What a lab host is allowed on this machine."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.lab.machine import bounding_set, capabilities, environment, has_loop_devices, host_config

ALL = (1 << 41) - 1
SYS_RESOURCE = 1 << 24


def test_a_capability_that_the_machine_lacks_is_not_asked_for() -> None:
    assert "SYS_RESOURCE" in capabilities(ALL)
    assert capabilities(ALL & ~SYS_RESOURCE) == [name for name in capabilities(ALL) if name != "SYS_RESOURCE"]


@given(st.integers(0, ALL), st.integers(0, ALL))
def test_more_rights_never_mean_fewer_capabilities(some: int, more: int) -> None:
    assert set(capabilities(some)) <= set(capabilities(some | more))


def test_a_lab_host_is_not_privileged_and_keeps_its_own_groups() -> None:
    config = host_config(ALL, loop_devices=True)
    assert "Privileged" not in config
    assert config["CgroupnsMode"] == "private"
    assert "SYS_MODULE" not in config["CapAdd"], "a host that loads modules changes the operator's own machine"
    assert "SYS_TIME" not in config["CapAdd"], "nor sets its clock"


def test_a_machine_without_loop_devices_has_a_lab_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "loop-control").touch()
    assert has_loop_devices(tmp_path / "loop-control")
    assert not has_loop_devices(tmp_path / "none")
    assert host_config(ALL, loop_devices=False)["DeviceCgroupRules"] == []


def test_only_cgroup_v1_needs_to_be_told() -> None:
    assert "SYSTEMD_PROC_CMDLINE" in environment("1")
    assert environment("2") == {"container": "docker"}


def test_the_bounding_set_is_read_from_the_kernels_own_file(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("CapEff:\t0000000000000000\nCapBnd:\t000001fffeffffff\n")
    assert bounding_set(status) == ALL & ~SYS_RESOURCE


def test_a_status_without_it_is_an_error(tmp_path: Path) -> None:
    status = tmp_path / "status"
    status.write_text("Name:\tx\n")
    with pytest.raises(ValueError, match="no CapBnd line"):
        bounding_set(status)
