"""Nothing changes unseen on a real host, and what is right is accepted by the operator."""

import shlex
import subprocess
from pathlib import Path

import pytest

from deploy import paths
from deploy.paths import ROOT
from tests.lab.deployment import Deployment, eventually
from tests.lab.sentinels import (
    alerts_since,
    kept,
    now,
    plant,
    status,
    swept,
    until_calm,
    verb,
    webshell,
    without_webshell,
)
from tests.lab.yard import says

pytestmark = pytest.mark.lab

WITHIN = 10.0
"""Seconds from the change to the line on the disk: less than until the next sweep. The bench measures how many."""

WEIGHTS = "$(ls -d /var/lib/casemate/models/*/)model.safetensors"

PLANTS = {
    "unit": (
        "/etc/systemd/system/evil.service",
        "printf '[Service]\\nExecStart=/bin/sh\\n' >{path}",
        ("units", "created", "critical"),
    ),
    "nginx": ("/etc/nginx/nginx.conf", "echo '# evil' >>{path}", ("nginx", "changed", "high")),
    "key": (
        "/home/ops/.ssh/authorized_keys",
        "echo 'ssh-ed25519 AAAA evil' >>{path}",
        ("access", "changed", "critical"),
    ),
    "preload": (
        "/etc/ld.so.preload",
        "echo /usr/lib/x86_64-linux-gnu/libm.so.6 >{path}",
        ("preload", "created", "critical"),
    ),
    "weights": (
        WEIGHTS,
        "printf x | dd of={path} bs=1 seek=4000 conv=notrunc status=none",
        ("weights", "changed", "critical"),
    ),
    "owner": ("/etc/casemate/proxy/server.pem", "chmod 0644 {path}", ("keys", "changed", "critical")),
    "program": ("/opt/casemate/bin/casemate-sentinel", "printf x >>{path}", ("sentinel", "changed", "critical")),
}


@pytest.mark.parametrize("name", PLANTS)
def test_a_plant_is_alerted_by_its_event_and_with_the_right_words(deployed: Deployment, name: str) -> None:
    pattern, shell, words = PLANTS[name]
    path = says(deployed.host, f"echo {pattern}").strip()
    with kept(deployed, path):
        swept(deployed)
        found = plant(deployed, path, shell.format(path=shlex.quote(path)))
        assert (found.get("set"), found.get("what"), found.get("severity")) == words, found
        assert (found["found_by"], found["took"] < WITHIN) == ("event", True), found
        if words[1] == "changed":
            assert found["before"] != found["after"]
        shown = deployed.casemate("alerts", "--since", "1m", status=1).stdout
        assert path in shown
        assert path in verb(deployed, "baseline", "diff", code=1).stdout
        assert not deployed.json("status", status=1)[deployed.host.name]["healthy"]


def test_a_webshell_in_a_container_is_alerted_where_the_container_sees_it(deployed: Deployment) -> None:
    command = webshell(deployed)
    swept(deployed)
    try:
        found = plant(deployed, "/opt/casemate/app/shell.php", command)
    finally:
        without_webshell(deployed)
    assert (found["found_by"], found["took"] < WITHIN) == ("event", True), found
    assert (found["what"], found["severity"]) == ("created", "critical")
    assert found["container"].startswith("casemate-vision-")
    assert f"{found['container']}:/opt/casemate/app/shell.php" in deployed.casemate("alerts", status=1).stdout


def test_a_frozen_sentinel_is_an_alarm(deployed: Deployment) -> None:
    deployed.host.run("systemctl kill -s STOP casemate-sentinel")
    try:
        found = deployed.json("status", status=1)[deployed.host.name]["sentinel"]
        assert (found["healthy"], found["beat"]) == (False, None)
    finally:
        deployed.host.run("systemctl kill -s CONT casemate-sentinel")
    eventually(lambda: deployed.casemate("status", status=None).returncode == 0, 60)


def test_an_edited_baseline_is_told_and_put_right(deployed: Deployment) -> None:
    before = now(deployed)
    deployed.host.run("printf x >>/var/lib/casemate/sentinel/baseline.jsonl.gz")
    eventually(lambda: any(one["event"] == "baseline_edited" for one in alerts_since(deployed, before)))
    eventually(lambda: verb(deployed, "baseline", "show", code=None).returncode == 0)


def test_a_change_that_is_right_is_accepted_with_a_reason(deployed: Deployment) -> None:
    path = "/usr/local/bin/of-the-operator"
    plant(deployed, path, f"echo true >{path}")
    verb(deployed, "baseline", "accept", path, code=2)
    verb(deployed, "baseline", "accept", path, "--reason", "our own tool")
    until_calm(deployed, 5)
    verb(deployed, "baseline", "show")
    assert "our own tool" in says(deployed.host, "tail -n 1 /var/log/casemate/deploy/journal.jsonl")
    assert "our own tool" in (paths.STATE / "journal" / f"{Path(deployed.inventory).stem}.jsonl").read_text()
    plant(deployed, path, f"rm {path}")
    verb(deployed, "baseline", "accept", "--all", "--reason", "gone again")


def test_its_walls_are_as_high_as_promised_and_it_sees_over_them(deployed: Deployment) -> None:
    exposure = says(deployed.host, "systemd-analyze security casemate-sentinel --no-pager | tail -n 1")
    assert float(exposure.partition(":")[2].split()[0]) <= 2.0
    assert status(deployed)["source"]["name"] in ("fanotify", "inotify")


def test_its_figures_are_behind_the_door_for_who_has_a_key(deployed: Deployment) -> None:
    record = deployed.host.record
    url = f"https://{record.name}.casemate.test:{record.https_port}/metrics/sentinel"
    curl = ["curl", "-sS", "--cacert", str(ROOT / ".casemate/ca/ca.pem"), "-w", "%{http_code}", "--connect-to"]
    curl = [*curl, f"::{record.address}:{record.https_port}", url]
    key = (deployed.lab.directory / "api-key").read_text().strip()
    opened = subprocess.run([*curl, "-H", f"Authorization: Bearer {key}"], capture_output=True, text=True, check=True)
    assert opened.stdout.endswith("200")
    assert "casemate_sentinel_last_beat_timestamp_seconds" in opened.stdout
    closed = subprocess.run(curl, capture_output=True, text=True, check=True)
    assert closed.stdout.endswith("401")
    assert "casemate_sentinel" not in closed.stdout


def test_every_control_about_it_passes(deployed: Deployment) -> None:
    deployed.casemate("deploy")
    until_calm(deployed)
    judged = deployed.json("verify", status=None)["hosts"][deployed.host.name]["findings"]
    found = {one["control"]: one for one in judged if one["control"].startswith("sentinel")}
    assert len(found) >= 8
    assert {name: one for name, one in found.items() if one["verdict"] != "passed"} == {}
