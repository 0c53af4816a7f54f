"""The lab's inventory: its hosts, or one clear sentence."""

from dataclasses import replace
from pathlib import Path

import pytest
from pyinfra.api.exceptions import PyinfraError

from deploy.errors import CasemateError
from deploy.lab.inventory import inventory
from deploy.lab.keys import api_key
from deploy.lab.record import Record, write
from deploy.paths import ROOT
from deploy.settings.gate import GateSettings
from deploy.settings.load import load_inventory
from deploy.settings.proxy import ProxySettings
from service.gate import keys

LAB1 = Record("lab1", "bookworm", "casemate-lab-lab1", "127.0.0.1", 40022, 40443)


def test_without_a_lab_both_commands_print_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(PyinfraError) as raised:
        inventory(tmp_path)
    assert isinstance(raised.value, CasemateError)
    assert str(raised.value) == "no lab is running\nNext: casemate lab up"


def test_a_host_brings_its_address_its_keys_and_its_door(tmp_path: Path) -> None:
    write(tmp_path, [LAB1])
    api_key(tmp_path / "api-key")
    [(name, data)] = inventory(tmp_path)
    assert (name, data["ssh_hostname"], data["ssh_port"]) == ("lab1", "127.0.0.1", 40022)
    assert ProxySettings(**data["proxy"]).address == "127.0.0.1:40443"
    gate = GateSettings(**data["gate"])
    key = gate.api_key_file.read_text().strip()
    assert keys.parse(key) == "lab"
    assert gate.keys["lab"] == f"sha256:{keys.digest(key)}"


def test_a_host_without_loop_devices_has_no_bound_that_needs_them(tmp_path: Path) -> None:
    api_key(tmp_path / "api-key")
    for loop_devices, logs in ((False, {"container_max": None}), (True, None)):
        write(tmp_path, [replace(LAB1, loop_devices=loop_devices)])
        [(_, data)] = inventory(tmp_path)
        assert data.get("logs") == logs


def test_with_its_group_data_it_is_a_valid_inventory(tmp_path: Path) -> None:
    write(tmp_path, [LAB1])
    api_key(tmp_path / "api-key")
    (tmp_path / "group_data").symlink_to(ROOT / "inventory" / "group_data")
    imports = "from pathlib import Path\nfrom deploy.lab.inventory import inventory\n"
    (tmp_path / "lab.py").write_text(f"{imports}lab = inventory(Path({str(tmp_path)!r}))\n")
    [host] = load_inventory(str(tmp_path / "lab.py"))
    assert host.address == "127.0.0.1"
    assert (host.settings.vision.device, host.settings.release.variant) == ("cpu", "cpu")
    assert host.settings.vision.golden.picture.is_file()
