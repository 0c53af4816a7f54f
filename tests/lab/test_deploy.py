"""A deploy converges, says what it does, and puts right what a hand changed: on every supported Debian."""

import json
import subprocess

import pytest

from deploy.paths import ROOT
from tests.lab.deployment import Deployment

pytestmark = pytest.mark.lab


def test_a_second_run_changes_nothing(deployed: Deployment) -> None:
    [host] = deployed.json("deploy")["hosts"].values()
    assert (host["changed"], host["failed"]) == (0, 0)
    assert host["operations"] > 40
    assert host["round_trips"] <= 5


def test_plan_agrees_and_exits_with_0(deployed: Deployment) -> None:
    [host] = deployed.json("plan", "--exit-code")["hosts"].values()
    assert (host["changed"], host["changes"]) == (0, [])


def test_plain_pyinfra_runs_the_same_code_and_changes_nothing(deployed: Deployment) -> None:
    command = [".venv/bin/pyinfra", deployed.inventory, "deploy/site.py", "--limit", deployed.host.name, "-y", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    before = deployed.host.run("wc -l </var/log/casemate/deploy/journal.jsonl").stdout
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    after = deployed.host.run("wc -l </var/log/casemate/deploy/journal.jsonl").stdout
    assert int(after) == int(before) + 1, "plain pyinfra journals its run too"
    assert deployed.json("plan", "--exit-code")["hosts"][deployed.host.name]["changed"] == 0


def test_every_run_is_in_the_hosts_journal(deployed: Deployment) -> None:
    run = deployed.json("deploy")["run"]
    last = deployed.host.run("tail -n 1 /var/log/casemate/deploy/journal.jsonl").stdout
    assert run in last


@pytest.mark.parametrize(
    ("damage", "shown"),
    [
        ("echo '{}' >/etc/docker/daemon.json", "live-restore"),
        ("chmod 0777 /etc/casemate/gate", "/etc/casemate/gate"),
        ("nft delete table inet casemate", "casemate-firewall"),
        ("echo 'server_tokens on;' >>/etc/nginx/nginx.conf", "server_tokens on"),
        ("systemctl disable --now nginx", "nginx"),
    ],
    ids=["daemon.json", "mode", "firewall", "nginx.conf", "unit"],
)
def test_a_change_by_hand_is_shown_and_put_right(deployed: Deployment, damage: str, shown: str) -> None:
    deployed.host.run(damage)
    planned = deployed.json("plan", "--exit-code", status=1)
    assert shown in json.dumps(planned), "the plan says what is wrong"
    [host] = deployed.json("deploy")["hosts"].values()
    assert host["changed"] >= 1
    assert deployed.json("plan", "--exit-code")["hosts"][deployed.host.name]["changed"] == 0
    deployed.casemate("status")


def test_only_one_component(deployed: Deployment) -> None:
    [host] = deployed.json("plan", "--only", "network")["hosts"].values()
    [whole] = deployed.json("plan")["hosts"].values()
    assert 0 < host["operations"] < whole["operations"]
    assert "no such component" in deployed.casemate("plan", "--only", "netwrok", status=2).stderr


def test_status_is_good(deployed: Deployment) -> None:
    state = deployed.json("status")[deployed.host.name]
    assert state["healthy"], state
    assert state["containers"]["vision"]["state"] == "running"
    assert state["certificate_expires"]
    assert state["door"] == "ready"


def test_no_secret_is_in_a_log_an_argv_or_a_world_readable_file(deployed: Deployment) -> None:
    """The TLS key and the API key; the control shows that this search finds what is there."""
    key = (deployed.lab.directory / "api-key").read_text().strip()
    search = "grep -rlF -e {} /etc /opt /var/log /var/lib/casemate /run/casemate /run/log 2>/dev/null || true"
    assert not deployed.host.run(search.format(key)).stdout
    deployed.host.run(f"echo {key} >/etc/casemate/planted")
    assert "/etc/casemate/planted" in deployed.host.run(search.format(key)).stdout
    deployed.host.run("rm /etc/casemate/planted")
    private = "find /etc/casemate /etc/nginx -name '*key*' -type f -perm /0077 -exec grep -l PRIVATE {} + || true"
    assert not deployed.host.run(private).stdout
    assert "PRIVATE KEY" not in deployed.casemate("plan", "--data", "proxy.server_name=other.casemate.test").stderr
