"""casemate quarantine: what is in force is 1, and a release has a reason."""

import pytest

from deploy import paths
from deploy.cli import quarantine
from deploy.run import journal
from tests.deploy.cli.hosts import here, run
from tests.deploy.run.sentinels import Sentinel, sentinel, settings

__all__ = ["sentinel", "settings"]

HELD = {
    "id": "20261126-1",
    "container": "casemate-vision-a",
    "component": "vision",
    "reaction": "pause",
    "state": "in force",
    "because": "created: /app/x",
    "since": 1795000000.0,
    "said": "",
    "evidence": {"files": 2, "bytes": 9, "refused": ""},
    "released": None,
    "directory": "/var/lib/casemate/sentinel/quarantine/20261126-1",
}


@pytest.fixture
def holder(sentinel: Sentinel, monkeypatch: pytest.MonkeyPatch) -> Sentinel:
    """gpu1's sentinel, with a quarantine in force."""
    here(monkeypatch, quarantine)
    monkeypatch.setattr(quarantine, "asked", sentinel.asked_by)
    monkeypatch.setattr(journal, "STATE", paths.STATE)
    monkeypatch.setattr(journal, "write", lambda *_: None)
    sentinel.says = {"quarantines": [HELD]}
    return sentinel


def test_a_quarantine_in_force_is_1_and_a_released_one_is_not(holder: Sentinel) -> None:
    result = run(quarantine.quarantine, "list", "lab.py")
    assert (result.exit_code, "created: /app/x" in result.stdout) == (1, True)
    holder.says = {"quarantines": [{**HELD, "state": "released"}]}
    assert run(quarantine.quarantine, "list", "lab.py").exit_code == 0


def test_a_release_takes_a_reason_and_is_journalled(holder: Sentinel) -> None:
    assert run(quarantine.quarantine, "release", "lab.py", "20261126-1").exit_code == 2
    assert run(quarantine.quarantine, "release", "lab.py", "20261126-1", "--reason", " ").exit_code == 2
    assert holder.asked == []
    result = run(quarantine.quarantine, "release", "lab.py", "20261126-1", "--reason", "looked at it")
    assert result.exit_code == 0, result.output
    [(verb, given)] = holder.asked
    assert (verb, given["id"], given["reason"]) == ("quarantine release", "20261126-1", "looked at it")
    assert "looked at it" in (paths.STATE / "journal" / "lab.jsonl").read_text()
