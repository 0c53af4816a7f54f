"""The firewall's file, unit and drop-in say what the operations rely on."""

import re
from configparser import ConfigParser

import pytest

from deploy.components.network import RULESET
from deploy.operations.engine import WALLS
from deploy.operations.firewall import TABLES, wanted_lines
from deploy.operations.templates import render
from deploy.settings.network import NetworkSettings

SETTINGS = NetworkSettings.model_validate({"bridge": "vault0", "subnet": "10.77.0.0/20"})


def rules(settings: NetworkSettings) -> str:
    return render("network/casemate.nft.j2", settings=settings)


def test_only_our_own_tables_are_replaced_and_each_in_one_transaction() -> None:
    lines = [line for line in rules(SETTINGS).splitlines() if line and not line.startswith(("#", " ", "}"))]
    assert lines == [
        line for table in TABLES for line in (f"table {table}", f"delete table {table}", f"table {table} {{")
    ]
    code = [line.partition("#")[0] for line in rules(SETTINGS).splitlines()]
    assert not [line for line in code if "flush" in line]


def test_the_template_and_the_comparison_have_the_same_rules() -> None:
    """What the kernel makes of the template is compared with nft's own listing in the lab; here, line for line."""
    written = [line.strip() for line in rules(SETTINGS).splitlines() if re.search(r" (accept|drop)$", line)]
    wanted = [
        line for line in wanted_lines(SETTINGS) if line.endswith((" accept", " drop")) and ": filter " not in line
    ]
    assert len(written) == len(wanted) == 8
    assert sum("10.77.0.0/20" in line for line in written) == sum("10.77.0.0/20" in line for line in wanted) == 4
    assert sum('"vault0"' in line for line in written) == sum("=vault0" in line for line in wanted) == 4
    assert sum(line.endswith(" accept") for line in written) == sum(line.endswith(" accept") for line in wanted) == 1


def unit(template: str) -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None, comment_prefixes=("#",), delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(render(f"network/{template}", ruleset=RULESET))
    return parser


def test_the_walls_stand_before_the_engine_and_never_fall() -> None:
    found = unit(f"{WALLS}.j2")
    assert "docker.service" in found["Unit"]["Before"].split()
    assert found["Install"]["RequiredBy"] == "docker.service"
    assert found["Service"]["RemainAfterExit"] == "yes"
    assert not {"ExecStop", "ExecStopPost"} & set(found["Service"])
    assert found["Service"]["ExecStart"] == found["Service"]["ExecReload"] == f"/usr/sbin/nft -f {RULESET}"


def test_the_firewall_needs_no_mount_namespace() -> None:
    """Seen at a boot: "Failed to set up mount namespacing", and so no walls and no engine."""
    namespaced = ("Protect", "Private", "ReadOnly", "ReadWrite", "Inaccessible", "TemporaryFileSystem", "Bind", "Root")
    assert not [key for key in unit(f"{WALLS}.j2")["Service"] if key.startswith(namespaced)]


@pytest.mark.parametrize("when", ["ExecStartPost", "ExecReload", "ExecStopPost"])
def test_whenever_the_distributions_firewall_flushes_ours_comes_back(when: str) -> None:
    assert unit("nftables.conf.j2")["Service"][when] == f"/usr/sbin/nft -f {RULESET}"
