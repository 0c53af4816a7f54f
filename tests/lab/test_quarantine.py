"""What the sentinel holds answers nobody, until its operator lets it go."""

import json
import subprocess
from typing import Any

import pytest

from deploy.paths import ROOT
from tests.lab.deployment import CASEMATE, Deployment, eventually
from tests.lab.sentinels import (
    plant,
    status,
    verb,
    webshell,
    without_webshell,
)
from tests.lab.yard import says

pytestmark = pytest.mark.lab


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
