"""casemate monitoring: what it writes, and what it never writes."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deploy.cli.monitoring import monitoring
from deploy.errors import CasemateError, SettingsError


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """Two hosts, one of them with the private CA's certificate."""
    (tmp_path / "cat.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "ca").mkdir()
    (tmp_path / "ca" / "ca.pem").write_text("the CA\n")
    common: dict[str, Any] = {
        "ssh_hostname": "192.0.2.7",
        "release": {"model": str(tmp_path), "model_name": "micro"},
        "vision": {"golden": {"picture": str(tmp_path / "cat.png"), "question": "?", "answer": "cat"}},
    }
    one = {"server_name": "one.example", "ca": str(tmp_path / "ca"), "address": "192.0.2.8:8443"}
    two = {"server_name": "two.example", "certificate": "/c.pem", "private_key": "/k.pem"}
    same = {**two, "server_name": "one.example"}
    hosts = [("one", {**common, "proxy": one}), ("two", {**common, "proxy": two}), ("same", {**common, "proxy": same})]
    (tmp_path / "fleet.py").write_text(f"gpu = {hosts[:2]!r}\nall_of_them = {hosts!r}\n")
    return tmp_path / "fleet.py"


def run(inventory: Path, *arguments: str) -> Result:
    return CliRunner().invoke(monitoring, [str(inventory), "--out", str(inventory.parent / "out"), *arguments])


def test_it_writes_one_directory_for_prometheus_and_grafana(inventory: Path) -> None:
    result = run(inventory, "--limit", "gpu", "--json")
    assert result.exit_code == 0, result.output
    out = inventory.parent / "out"
    names = ["scrape.yml", "alerts.yml", "alerts-sentinel.yml", "grafana.json", "grafana-sentinel.json", "one.pem"]
    shown = json.loads(result.stdout)
    assert shown == {"files": [str(out / name) for name in names], "key": str(out / "prometheus.key")}
    assert sorted(path.name for path in out.iterdir()) == sorted(names)
    assert (out / "one.pem").read_text() == "the CA\n"
    assert "one.example:8443" in (out / "scrape.yml").read_text()
    titles = [json.loads((out / name).read_text())["title"] for name in ("grafana.json", "grafana-sentinel.json")]
    assert titles == ["casemate-fleet", "casemate-fleet-sentinel"]
    assert f"casemate key new prometheus --out {out}/prometheus.key" in result.stderr


def test_a_key_that_is_there_stays_and_is_not_asked_for_again(inventory: Path) -> None:
    (inventory.parent / "out").mkdir()
    key = inventory.parent / "out" / "prometheus.key"
    key.write_text("csm_prometheus_x\n")
    result = run(inventory, "--limit", "gpu")
    assert result.stderr == ""
    assert key.read_text() == "csm_prometheus_x\n"
    assert "scrape.yml" in result.stdout


def test_hosts_that_prometheus_could_not_tell_apart_are_named(inventory: Path) -> None:
    result = run(inventory)
    assert isinstance(result.exception, SettingsError)
    assert "one.example" in result.exception.message
    assert not (inventory.parent / "out").exists()


def test_a_ca_that_is_not_there_yet_says_what_makes_it(inventory: Path) -> None:
    (inventory.parent / "ca" / "ca.pem").unlink()
    result = run(inventory, "--limit", "one")
    assert isinstance(result.exception, CasemateError)
    assert "deploy once" in result.exception.next
