"""What is signed of the two containers: the walls are in it, and nothing that JSON cannot say."""

import json
from pathlib import Path
from typing import Any

import pytest

from deploy.errors import SettingsError
from deploy.operations.configuration import SECCOMP, configuration, place_of
from deploy.release.documents import canonical
from service.release.container import create_arguments
from service.vision.configuration import from_environment
from tests.deploy.operations.releases import settings_in

FILTER = json.loads(SECCOMP.read_text())


@pytest.fixture
def specs(tmp_path: Path) -> dict[str, dict[str, Any]]:
    return configuration(settings_in(tmp_path))


def test_it_survives_json(specs: dict[str, Any]) -> None:
    assert json.loads(canonical(specs)) == specs


@pytest.mark.parametrize("component", ["vision", "gate"])
def test_the_walls(specs: dict[str, Any], component: str) -> None:
    arguments = create_arguments(specs[component], "0123456789ab", "micro-1", "sha256:1", SECCOMP.read_text())
    walls = arguments["HostConfig"]
    assert walls["NetworkMode"] == "none"
    assert (walls["CapDrop"], walls["ReadonlyRootfs"], walls["Privileged"]) == (["ALL"], True, False)
    assert walls["Memory"] == walls["MemorySwap"] > 0
    assert 0 < walls["PidsLimit"] <= 512
    assert all("noexec,nosuid,nodev,size=" in options for options in walls["Tmpfs"].values())
    assert {"Name": "core", "Soft": 0, "Hard": 0} in walls["Ulimits"]
    assert arguments["User"].split(":")[0] != "0"
    assert "{" not in json.dumps([walls["Mounts"], arguments["Env"]]).replace('{"', "")
    ours = ("/etc/casemate/", "/run/casemate/", "/var/lib/casemate/models/", "/var/log/casemate/")
    assert all(f"{mount['Source']}/".startswith(ours) for mount in walls["Mounts"])


def test_the_service_understands_what_it_is_told_and_every_limit_reaches_it(tmp_path: Path) -> None:
    limits = {"max_body_bytes": 30_001, "max_pictures": 3, "max_picture_bytes": 20_002, "max_picture_pixels": 30_003}
    chosen = {**limits, "max_stretch": 50, "max_pixels": 20_000, "max_new_tokens": 77, "queue": 5, "batch": 3}
    told = from_environment(configuration(settings_in(tmp_path, **chosen))["vision"]["environment"])
    assert {name: getattr(told, name) for name in chosen} == chosen


def test_a_limit_that_is_not_set_is_the_service_s_own(specs: dict[str, Any]) -> None:
    needed = {"MODEL": "/m", "MODEL_NAME": "micro", "SOCKET": "/s", "AUDIT_LOG": "/a"}
    alone = from_environment({f"CASEMATE_VISION_{name}": value for name, value in needed.items()})
    told = from_environment(specs["vision"]["environment"])
    limits = [name for name in type(told).model_fields if name.startswith("max_")]
    assert {name: getattr(told, name) for name in limits} == {name: getattr(alone, name) for name in limits}


def test_only_sockets_and_logs_can_be_written(specs: dict[str, Any]) -> None:
    for spec in specs.values():
        writable = [mount["source"] for mount in spec["mounts"] if not mount["read_only"]]
        assert sorted(path.split("/")[1] for path in writable) == ["run", "var"]


def test_gpus_are_named_only_where_there_are_some(tmp_path: Path) -> None:
    assert configuration(settings_in(tmp_path))["vision"]["gpus"] == []
    cuda = configuration(settings_in(tmp_path, device="cuda", gpus=["GPU-0a1b"]))
    assert cuda["vision"]["gpus"] == ["GPU-0a1b"]
    assert cuda["gate"]["gpus"] == []


def test_a_picture_that_is_none_is_an_error_of_the_settings(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    settings.vision.golden.picture.unlink()
    with pytest.raises(SettingsError, match=r"vision\.golden\.picture"):
        configuration(settings)


def test_another_picture_lies_at_another_place(tmp_path: Path) -> None:
    picture = tmp_path / "Golden.PNG"
    picture.write_bytes(b"one")
    first = place_of("vision", picture)
    picture.write_bytes(b"two")
    assert first != place_of("vision", picture)
    assert first.startswith("/etc/casemate/vision/Golden-")
    assert first.endswith(".png")


def allowed() -> set[str]:
    return {name for rule in FILTER["syscalls"] if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}


def test_the_filter_names_what_is_allowed_and_refuses_the_rest() -> None:
    assert FILTER["defaultAction"] == "SCMP_ACT_ERRNO"
    assert all(not entry["subArchitectures"] for entry in FILTER["archMap"]), "32-bit calls have other numbers"
    spare = """
        io_uring_setup io_uring_enter io_uring_register userfaultfd keyctl add_key request_key bpf perf_event_open
        ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp mount umount2 pivot_root unshare setns mknod mknodat
        open_by_handle_at init_module finit_module kexec_load reboot swapon clone3 socketcall personality setuid"""
    assert not allowed() & {*spare.split()}


def test_the_filter_lets_only_four_kinds_of_sockets_be_made() -> None:
    rules = [rule for rule in FILTER["syscalls"] if "socket" in rule["names"]]
    assert {rule["args"][0]["value"] for rule in rules} == {1, 2, 10, 16}  # UNIX, IPv4, IPv6, netlink
    assert all(rule["args"][0]["op"] == "SCMP_CMP_EQ" for rule in rules)


def test_the_filter_lets_no_namespace_be_made() -> None:
    [rule] = [rule for rule in FILTER["syscalls"] if "clone" in rule["names"]]
    new = 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000 | 0x40000000
    assert (rule["args"][0]["value"], rule["args"][0]["valueTwo"]) == (new, 0)
