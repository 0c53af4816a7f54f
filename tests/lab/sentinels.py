"""A deployed host's sentinel as a test sees it: its log, its status, and the verbs of its operator."""

import json
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deploy.facts.chained.logs import LOGS
from deploy.paths import ROOT
from tests.lab.deployment import CASEMATE, Deployment
from tests.lab.yard import says

LOG = LOGS["sentinel"]
_PROGRAM = "/opt/casemate/bin/casemate-sentinel"
# Runs on the host: does something, and waits for the line about a path (or about a path inside the container).
_PLANT = """
import json, subprocess, sys, time
log, path, shell = sys.argv[1:]
with open(log) as file:
    file.seek(0, 2)
    began, line = time.time(), ""
    subprocess.run(shell, shell=True, check=True)
    while time.time() < began + 15:
        line += file.readline()
        if not line.endswith("\\n"):  # It is being written.
            time.sleep(0.005)
            continue
        fields, line = json.loads(line), ""
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
    return dict(json.loads(says(deployed.host, f"{_PROGRAM} status </dev/null")))


def swept(deployed: Deployment) -> None:
    """All is swept now, and not again for a minute: what is found meanwhile, an event has told."""
    deployed.host.run(f"{_PROGRAM} sweep </dev/null")


def until_calm(deployed: Deployment, seconds: float = 30) -> None:
    """Wait until nothing deviates from the baseline; fails with what does.

    By sweeps: inotify does not tell what was written by another name of the same file (weights are hard links).
    """
    end = time.monotonic() + seconds
    while status(deployed)["deviating"]:
        assert time.monotonic() < end, says(deployed.host, f"{_PROGRAM} baseline diff </dev/null")
        swept(deployed)


def verb(
    deployed: Deployment, group: str, name: str, *arguments: str, code: int | None = 0
) -> "subprocess.CompletedProcess[str]":
    """`casemate GROUP NAME` about this host."""
    command = [CASEMATE, group, name, deployed.inventory, *arguments, "--limit", str(deployed.limit)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    assert code in (None, done.returncode), done.stdout + done.stderr
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
        until_calm(deployed)


def webshell(deployed: Deployment) -> str:
    """A command that drops one in vision's container, as somebody on the host can."""
    name = says(deployed.host, "docker ps --format '{{.Names}}' --filter name=casemate-vision").strip()
    merged = says(deployed.host, f"docker inspect -f '{{{{.GraphDriver.Data.MergedDir}}}}' {name}").strip()
    return f"echo '<?php system($_GET[0]);' >{merged}/opt/casemate/app/shell.php"


def without_webshell(deployed: Deployment) -> None:
    """By the way that it came: who empties an upper directory under a mounted overlay breaks the container."""
    merged = "docker inspect -f '{{.GraphDriver.Data.MergedDir}}' $(docker ps -aq --filter name=casemate-vision)"
    deployed.host.run(f"rm -f $({merged})/opt/casemate/app/shell.php")
