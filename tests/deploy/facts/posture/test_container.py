"""What the kernel says of a container's first process: here, of processes of this machine."""

import os
import shutil
from pathlib import Path

import pytest

from deploy.facts.posture.container import nameservers, parse_status, process, processes

STATUS = """Name:	python3
Umask:	0022
Uid:	64010	64010	64010	64010
CapEff:	0000000000000000
NoNewPrivs:	1
Seccomp:	2
VmRSS:	    1234 kB
"""


def test_of_a_status_only_what_a_process_may_do_is_told() -> None:
    assert parse_status(STATUS) == {
        "Name": "python3",
        "Uid": "64010 64010 64010 64010",
        "CapEff": "0000000000000000",
        "NoNewPrivs": "1",
        "Seccomp": "2",
    }


def test_name_servers(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("# nameserver 9.9.9.9\nnameserver 127.0.0.11\noptions ndots:0\n")
    assert nameservers(str(tmp_path / "resolv.conf")) == ["127.0.0.11"]
    assert nameservers(str(tmp_path / "missing")) is None
    assert nameservers("") is None


def test_this_process_is_described_by_the_kernel() -> None:
    found = process(os.getpid(), {})
    assert found["pid"] == os.getpid()
    assert len(found["status"]["CapEff"]) == 16
    assert any(mount["target"] == "/" for mount in found["mounts"])
    assert "lo" in found["interfaces"]
    assert set(found["namespaces"]) == {"net", "pid", "ipc", "mnt", "uts", "user", "cgroup"}


def test_the_room_of_its_logs_is_its_file_system_s() -> None:
    logs = {"Source": "/var/log/casemate/vision", "Destination": "/dev/shm"}
    keys = {"Source": "/etc/casemate/gate", "Destination": "/etc/gate"}
    assert process(os.getpid(), {"Mounts": [keys, logs]})["log_room"] == shutil.disk_usage("/dev/shm").total
    assert process(os.getpid(), {"Mounts": [keys]})["log_room"] is None


def test_a_process_of_the_host_shares_all_of_the_host_s_namespaces() -> None:
    assert all(process(os.getpid(), {})["namespaces"].values())


def engine(**containers: int) -> dict[str, object]:
    inspected = {name: {"State": {"Pid": pid}} for name, pid in containers.items()}
    return {"installed": True, "reachable": True, "containers": inspected}


def test_a_container_that_is_gone_is_an_error_of_its_own_and_not_of_the_others() -> None:
    found = processes(engine(mine=os.getpid(), gone=2**22 - 1, stopped=0))
    assert "status" in found["mine"]
    assert "FileNotFoundError" in found["gone"]["error"]
    assert "stopped" not in found


def test_an_engine_that_is_silent_is_not_one_without_containers() -> None:
    for silent in (None, {"installed": True, "reachable": False, "error": "docker.service is inactive"}):
        with pytest.raises(RuntimeError, match="did not answer"):
            processes(silent)


def test_without_an_engine_there_are_no_containers() -> None:
    assert processes({"installed": False}) == {}
