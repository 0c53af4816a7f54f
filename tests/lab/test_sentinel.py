"""Nothing changes unseen on a real host, what a deploy changes is expected, and what is held is let go again."""

import json
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deploy import paths
from deploy.facts.chained.logs import LOGS
from deploy.paths import ROOT
from tests.lab.deployment import CASEMATE, Deployment, eventually, said_until
from tests.lab.yard import says

pytestmark = pytest.mark.lab

LOG = LOGS["sentinel"]
WITHIN = 1.0
"""Seconds from the change to the line on the disk."""

# Runs on the host: does something, and waits for the line about a path (or about a path inside the container).
_PLANT = """
import json, subprocess, sys, time
log, path, shell = sys.argv[1:]
with open(log) as file:
    file.seek(0, 2)
    began = time.time()
    subprocess.run(shell, shell=True, check=True)
    while time.time() < began + 15:
        line = file.readline()
        if not line:
            time.sleep(0.005)
            continue
        fields = json.loads(line)
        if path in (fields.get("path"), fields.get("inside")) and fields["event"] == "alert":
            print(json.dumps({"took": time.time() - began, **fields}))
            break
    else:
        print("{}")
"""


def plant(deployed: Deployment, path: str, shell: str) -> dict[str, Any]:
    """The alert about `path` after `shell`, and how long it took until the line was there."""
    command = shlex.join(["python3", "-c", _PLANT, LOG, path, shell])
    return dict(json.loads(says(deployed.host, command)))


def lines_since(deployed: Deployment, seq: int) -> list[dict[str, Any]]:
    """All lines of the log from there on."""
    return [
        one for one in map(json.loads, says(deployed.host, f"tail -n 20000 {LOG}").splitlines()) if one["seq"] >= seq
    ]


def now(deployed: Deployment) -> int:
    """The number that the next line will have."""
    return int(json.loads(says(deployed.host, f"tail -n 1 {LOG}"))["seq"]) + 1


def alerts_since(deployed: Deployment, seq: int) -> list[dict[str, Any]]:
    """What somebody would have to look at: no announced change, no beat, no gap that was swept."""
    return [one for one in lines_since(deployed, seq) if one.get("severity") in ("critical", "high", "medium")]


def status(deployed: Deployment) -> dict[str, Any]:
    """What the sentinel says of itself."""
    return dict(json.loads(says(deployed.host, "/opt/casemate/bin/casemate-sentinel status </dev/null")))


def calm(deployed: Deployment) -> bool:
    return bool(status(deployed)["deviating"] == 0)


def verb(
    deployed: Deployment, group: str, name: str, *arguments: str, code: int = 0
) -> "subprocess.CompletedProcess[str]":
    """`casemate GROUP NAME` about this host."""
    command = [CASEMATE, group, name, deployed.inventory, *arguments, "--limit", str(deployed.limit)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stdout + done.stderr
    return done


@contextmanager
def kept(deployed: Deployment, path: str) -> Iterator[None]:
    """The file is as it was afterwards, its times too; and the sentinel has seen that."""
    copy = f"/root/kept-{Path(path).name}"
    deployed.host.run(f"if [ -e {path} ]; then cp -a {path} {copy}; fi")
    try:
        yield
    finally:
        # Into the same file: a weight is a hard link.
        back = f"cat {copy} >{path} && chmod --reference={copy} {path} && touch -r {copy} {path} && rm {copy}"
        deployed.host.run(f"if [ -e {copy} ]; then {back}; else rm -f {path}; fi")
        eventually(lambda: calm(deployed), 30)


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
    "preload": ("/etc/ld.so.preload", "echo /usr/lib/none.so >{path}", ("preload", "created", "critical")),
    "weights": (
        WEIGHTS,
        "printf x | dd of={path} bs=1 seek=4000 conv=notrunc status=none",
        ("weights", "changed", "critical"),
    ),
    "owner": ("/etc/casemate/proxy/server.pem", "chmod 0644 {path}", ("keys", "changed", "critical")),
    "program": ("/opt/casemate/bin/casemate-sentinel", "printf x >>{path}", ("sentinel", "changed", "critical")),
}


@pytest.mark.parametrize("name", PLANTS)
def test_a_plant_is_alerted_within_a_second_with_the_right_words(deployed: Deployment, name: str) -> None:
    pattern, shell, words = PLANTS[name]
    path = says(deployed.host, f"echo {pattern}").strip()
    with kept(deployed, path):
        found = plant(deployed, path, shell.format(path=shlex.quote(path)))
        assert (found.get("set"), found.get("what"), found.get("severity")) == words, found
        assert found["took"] < WITHIN
        if words[1] == "changed":
            assert found["before"] != found["after"]
        shown = deployed.casemate("alerts", "--since", "1m", status=1).stdout
        assert path in shown
        assert path in verb(deployed, "baseline", "diff", code=1).stdout
        assert not deployed.json("status", status=1)[deployed.host.name]["healthy"]


def webshell(deployed: Deployment) -> str:
    """A command that drops one in vision's container, as somebody on the host can."""
    name = says(deployed.host, "docker ps --format '{{.Names}}' --filter name=casemate-vision").strip()
    merged = says(deployed.host, f"docker inspect -f '{{{{.GraphDriver.Data.MergedDir}}}}' {name}").strip()
    return f"echo '<?php system($_GET[0]);' >{merged}/opt/casemate/app/shell.php"


def without_webshell(deployed: Deployment) -> None:
    """By the way that it came: who empties an upper directory under a mounted overlay breaks the container."""
    merged = "docker inspect -f '{{.GraphDriver.Data.MergedDir}}' $(docker ps -aq --filter name=casemate-vision)"
    deployed.host.run(f"rm -f $({merged})/opt/casemate/app/shell.php")


def test_a_webshell_in_a_container_is_alerted_where_the_container_sees_it(deployed: Deployment) -> None:
    try:
        found = plant(deployed, "/opt/casemate/app/shell.php", webshell(deployed))
    finally:
        without_webshell(deployed)
    assert found["took"] < WITHIN
    assert (found["what"], found["severity"]) == ("created", "critical")
    assert found["container"].startswith("casemate-vision-")
    assert f"{found['container']}:/opt/casemate/app/shell.php" in deployed.casemate("alerts", status=1).stdout


@pytest.mark.parametrize("reaction", ["pause", "isolate"])
def test_a_container_in_quarantine_answers_nobody_until_it_is_released(deployed: Deployment, reaction: str) -> None:
    deployed.casemate("deploy", "--data", f"sentinel.containers.reaction={reaction}")
    try:
        plant(deployed, "/opt/casemate/app/shell.php", webshell(deployed))
        eventually(lambda: status(deployed)["quarantined"] == 1)
        assert deployed.json("status", status=1)[deployed.host.name]["door"] == "HTTP 503"
        [held] = [one for one in in_quarantine(deployed) if one["state"] != "released"]
        assert (held["reaction"], held["component"]) == (reaction, "vision")
        evidence = says(deployed.host, f"cat {held['directory']}/files/* | grep -c system; ls {held['directory']}")
        assert not evidence.startswith("0")
        assert "inspect.json" in evidence
        refused = verb(deployed, "quarantine", "release", held["id"], "--reason", " ", code=2)
        assert "--reason" in refused.stderr
        without_webshell(deployed)
        verb(deployed, "quarantine", "release", held["id"], "--reason", "it was a test")
    finally:
        without_webshell(deployed)
        for one in in_quarantine(deployed):
            if one["state"] != "released":
                verb(deployed, "quarantine", "release", one["id"], "--reason", "the test failed")
    eventually(lambda: deployed.casemate("status", status=None).returncode == 0, 90)
    assert says(deployed.host, f"ls {held['directory']}").split(), "evidence stays"
    assert "it was a test" in says(deployed.host, "tail -n 1 /var/log/casemate/deploy/journal.jsonl")
    deployed.casemate("deploy")


def in_quarantine(deployed: Deployment) -> list[dict[str, Any]]:
    command = [CASEMATE, "quarantine", "list", deployed.inventory, "--json", "--limit", str(deployed.limit)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return list(json.loads(done.stdout)[deployed.host.name]["quarantines"])


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
    assert calm(deployed)
    state = json.loads(verb(deployed, "baseline", "show", "--json").stdout)[deployed.host.name]
    assert state["verdict"] == "good"
    assert state["kept_sequence"] == state["sequence"]
    copies = paths.STATE / "baselines" / Path(deployed.inventory).stem / deployed.host.name
    assert {path.name for path in copies.iterdir()} == {"baseline.jsonl.gz", "baseline.json", "baseline.sig"}


def test_what_is_not_announced_is_an_alert_in_the_window_too(deployed: Deployment) -> None:
    deployed.casemate("deploy")
    before = now(deployed)
    run = deployed.start("deploy", "--data", "vision.batch=15")
    list(said_until(run, "vision", "Create the new container"))
    path = "/etc/cron.d/evil"
    with kept(deployed, path):
        found = plant(deployed, path, f"echo '* * * * * root sh' >{path}")
        assert (found["set"], found["what"]) == ("cron", "created")
        assert "were not the deploy's" in "".join(said_until(run, "were not the deploy's"))
        assert run.wait(300) == 0
        assert [one["path"] for one in alerts_since(deployed, before) if one["event"] == "alert"] == [path]
        assert path in verb(deployed, "baseline", "diff", code=1).stdout
    deployed.casemate("deploy")


def test_plain_pyinfra_announces_and_signs_too(deployed: Deployment) -> None:
    deployed.casemate("deploy")
    deployed.host.run("chmod 0755 /etc/casemate/gate")
    eventually(lambda: not calm(deployed))
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
    eventually(lambda: calm(deployed))
    deployed.casemate("status")


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
    eventually(lambda: verb(deployed, "baseline", "show").returncode == 0)


def test_a_change_that_is_right_is_accepted_with_a_reason(deployed: Deployment) -> None:
    path = "/usr/local/bin/of-the-operator"
    plant(deployed, path, f"echo true >{path}")
    verb(deployed, "baseline", "accept", path, code=2)
    verb(deployed, "baseline", "accept", path, "--reason", "our own tool")
    assert calm(deployed)
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
    eventually(lambda: calm(deployed))
    judged = deployed.json("verify", status=None)["hosts"][deployed.host.name]["findings"]
    found = {one["control"]: one for one in judged if one["control"].startswith("sentinel")}
    assert len(found) >= 8
    assert {name: one for name, one in found.items() if one["verdict"] != "passed"} == {}
