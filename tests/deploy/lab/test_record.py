"""What inventories and `lab shell` know of a lab, without asking Docker."""

import stat
from pathlib import Path

import pytest

from deploy.errors import SettingsError
from deploy.lab.errors import LabError
from deploy.lab.record import Record, find, of, read, write
from deploy.lab.ssh import ssh

LAB1 = Record("lab1", "bookworm", "casemate-lab-lab1", "127.0.0.1", 40022, 40443)
LAB2 = Record("lab2", "trixie", "casemate-lab-lab2", "127.0.0.1", 41022, 41443)


def test_what_is_written_is_read_and_nobody_elses(tmp_path: Path) -> None:
    write(tmp_path, [LAB1, LAB2])
    assert read(tmp_path) == [LAB1, LAB2]
    assert stat.S_IMODE((tmp_path / "lab.json").stat().st_mode) == 0o600


def test_no_lab_is_an_empty_one(tmp_path: Path) -> None:
    assert read(tmp_path) == []


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"hosts": [{"name": "lab1"}]}'])
def test_a_damaged_record_says_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "lab.json").write_text(text)
    with pytest.raises(LabError, match=r"lab\.json: unreadable"):
        read(tmp_path)


def test_an_unknown_host_gets_the_names_that_there_are(tmp_path: Path) -> None:
    write(tmp_path, [LAB1, LAB2])
    assert find(tmp_path, "lab2") == LAB2
    with pytest.raises(SettingsError) as raised:
        find(tmp_path, "lab3")
    assert raised.value.next == "name one of: lab1, lab2"


def test_without_a_lab_the_next_command_is_up(tmp_path: Path) -> None:
    with pytest.raises(LabError) as raised:
        find(tmp_path, "lab1")
    assert str(raised.value) == "no lab is running\nNext: casemate lab up"


def test_it_comes_from_what_docker_shows() -> None:
    bindings = {
        "22/tcp": [{"HostIp": "127.0.0.1", "HostPort": "40022"}],
        "443/tcp": [{"HostIp": "127.0.0.1", "HostPort": "40443"}],
    }
    attributes = {
        "Name": "/casemate-lab-lab1",
        "Config": {"Labels": {"casemate.release": "bookworm"}},
        "HostConfig": {"PortBindings": bindings},
    }
    assert of("lab1", attributes) == LAB1


def test_ssh_trusts_the_labs_keys_only(tmp_path: Path) -> None:
    line = ssh(LAB1, tmp_path, "id", "-u")
    assert line[-3:] == ["ops@127.0.0.1", "id", "-u"]
    assert f"UserKnownHostsFile={tmp_path}/known_hosts" in line
    assert {"StrictHostKeyChecking=yes", "GlobalKnownHostsFile=/dev/null", "IdentitiesOnly=yes", "Port=40022"} <= set(
        line
    )
    assert line[line.index("-F") + 1] == "none"
