"""What makes vision serve again after a reboot."""

from configparser import ConfigParser
from types import SimpleNamespace

import pytest

from deploy.components import gate, vision
from deploy.operations.templates import render

SETTINGS = SimpleNamespace(start_seconds=600, drain_seconds=60)


def unit(component: str) -> ConfigParser:
    parser = ConfigParser(strict=False, interpolation=None, comment_prefixes=("#",), delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(render(f"{component}/casemate-{component}.service.j2", settings=SETTINGS))
    return parser


@pytest.mark.parametrize("component", ["vision", "gate"])
def test_it_is_verified_at_every_start(component: str) -> None:
    assert unit(component)["Service"]["ExecStart"] == f"/opt/casemate/bin/casemate-release start {component}"


@pytest.mark.parametrize("component", ["vision", "gate"])
def test_a_restart_of_the_engine_or_the_firewall_does_not_end_it(component: str) -> None:
    section = unit(component)["Unit"]
    assert not {"Requires", "BindsTo", "PartOf", "Requisite"} & {*section}
    assert section["After"] == section["Wants"] == "docker.service casemate-firewall.service"


@pytest.mark.parametrize("component", ["vision", "gate"])
def test_it_does_not_start_without_the_firewall(component: str) -> None:
    text = render(f"{component}/casemate-{component}.service.j2", settings=SETTINGS)
    assert "ExecStartPre=/usr/bin/systemctl is-active --quiet casemate-firewall.service\n" in text


def test_it_may_take_as_long_as_the_settings_allow() -> None:
    service = unit("vision")["Service"]
    assert int(service["TimeoutStartSec"]) > 600
    assert int(service["TimeoutStopSec"]) > 60


@pytest.mark.parametrize(("component", "sockets"), [("vision", vision.SOCKETS), ("gate", gate.SOCKETS)])
def test_only_nginx_passes_to_the_sockets(component: str, sockets: str) -> None:
    lines = render(f"{component}/casemate-{component}.conf.j2", sockets=sockets).splitlines()
    assert f"d {sockets} 0750 root www-data -" in lines
