"""What a deploy changes is expected on a real host, and nothing else is while it runs."""

import json
import subprocess
from pathlib import Path

import pytest

from deploy import paths
from deploy.paths import ROOT
from tests.lab.deployment import Deployment, eventually, said_until
from tests.lab.sentinels import (
    alerts_since,
    kept,
    lines_since,
    now,
    plant,
    status,
    until_calm,
    verb,
)

pytestmark = pytest.mark.lab


def test_a_deploy_with_nothing_to_do_opens_no_window(deployed: Deployment) -> None:
    deployed.casemate("deploy")
    before = now(deployed)
    [host] = deployed.json("deploy")["hosts"].values()
    assert (host["changed"], host["round_trips"] <= 3) == (0, True)
    assert not [one for one in lines_since(deployed, before) if one["event"].startswith(("window", "baseline"))]
    assert not alerts_since(deployed, before)


def test_a_redeploy_that_changes_much_raises_no_alert(deployed: Deployment) -> None:
    """Another release, engine and proxy settings, a lost package, unit, mode and directory: all as announced."""
    damage = "apt-get remove -y -q logrotate >/dev/null; systemctl disable -q nginx; chmod 0755 /etc/casemate/gate; "
    deployed.host.run(f"{damage} rm -rf /etc/systemd/journald.conf.d")
    eventually(lambda: status(deployed)["deviating"] >= 3)
    before = now(deployed)
    [host] = deployed.json("deploy", "--data", "docker.log_max_files=4", "--data", "proxy.read_seconds=299")[
        "hosts"
    ].values()
    assert host["changed"] > 8
    events = [one["event"] for one in lines_since(deployed, before)]
    assert alerts_since(deployed, before) == []
    assert {"window_opened", "planned", "window_closed", "baseline_signed"} <= set(events)
    deployed.casemate("deploy")
    assert alerts_since(deployed, before) == []
    until_calm(deployed, 1)
    state = json.loads(verb(deployed, "baseline", "show", "--json").stdout)[deployed.host.name]
    assert state["verdict"] == "good"
    assert state["kept_sequence"] == state["sequence"]
    copies = paths.STATE / "baselines" / Path(deployed.inventory).stem / deployed.host.name
    assert {path.name for path in copies.iterdir()} == {"baseline.jsonl.gz", "baseline.json", "baseline.sig"}


def test_what_is_not_announced_is_an_alert_in_the_window_too(deployed: Deployment) -> None:
    deployed.casemate("deploy")
    before = now(deployed)
    run, path = deployed.start("deploy", "--data", "vision.batch=15"), "/usr/local/sbin/evil"
    try:
        list(said_until(run, "vision", "Create the new container"))
        with kept(deployed, path):
            found = plant(deployed, path, f"echo 'sh -i' >{path}")
            assert (found["set"], found["what"]) == ("programs", "created")
            list(said_until(run, "were not the deploy's"))
            assert run.wait(300) == 0
            assert {one["path"] for one in alerts_since(deployed, before) if one["event"] == "alert"} == {path}
            assert path in verb(deployed, "baseline", "diff", code=1).stdout
    finally:
        run.kill()
    deployed.casemate("deploy")


def test_plain_pyinfra_announces_and_signs_too(deployed: Deployment) -> None:
    deployed.casemate("deploy")
    deployed.host.run("chmod 0755 /etc/casemate/gate")
    eventually(lambda: status(deployed)["deviating"])
    before = now(deployed)
    command = [".venv/bin/pyinfra", deployed.inventory, "deploy/site.py", "--limit", deployed.host.name, "-y"]
    subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    events = [one["event"] for one in lines_since(deployed, before)]
    assert alerts_since(deployed, before) == []
    assert {"window_opened", "window_closed", "baseline_signed"} <= set(events)
    verb(deployed, "baseline", "show")


def test_a_sentinel_that_does_not_run_is_woken_by_a_deploy(deployed: Deployment) -> None:
    deployed.host.run("systemctl stop casemate-sentinel; chmod 0755 /etc/casemate/gate")
    assert not deployed.json("status", status=1)[deployed.host.name]["sentinel"]["healthy"]
    deployed.casemate("deploy")
    until_calm(deployed)
    deployed.casemate("status")
