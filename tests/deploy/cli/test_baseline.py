"""casemate baseline: which one is good, what differs, and accepting with a reason."""

import json
from types import SimpleNamespace

import pytest
from click.testing import Result

from deploy import paths
from deploy.cli import baseline
from deploy.errors import CasemateError
from deploy.run import journal
from deploy.run.baseline import sign_and_keep
from deploy.settings.release import ReleaseSettings
from tests.deploy.cli.hosts import here, run
from tests.deploy.run.sentinels import Sentinel, entry, host, sentinel, settings

__all__ = ["sentinel", "settings"]


@pytest.fixture
def keeper(sentinel: Sentinel, settings: ReleaseSettings, monkeypatch: pytest.MonkeyPatch) -> Sentinel:
    """gpu1's sentinel, whose baseline is signed and kept."""
    here(monkeypatch, baseline)
    monkeypatch.setattr(baseline, "asked", sentinel.asked_by)
    monkeypatch.setattr(baseline, "valid", lambda _: None)
    monkeypatch.setattr(baseline, "settings_of", lambda _: SimpleNamespace(release=settings))
    monkeypatch.setattr(journal, "STATE", paths.STATE)
    monkeypatch.setattr(journal, "write", lambda *_: None)
    sign_and_keep(host(), "lab.py", settings)
    sentinel.asked.clear()
    return sentinel


def verdict(result: Result) -> str:
    return str(json.loads(result.stdout)["gpu1"]["verdict"])


def test_a_signed_baseline_that_is_kept_here_is_good(keeper: Sentinel) -> None:
    result = run(baseline.baseline, "show", "lab.py")
    assert (result.exit_code, "good" in result.stdout) == (0, True)


def test_everything_else_is_said_and_is_1(keeper: Sentinel, settings: ReleaseSettings) -> None:
    keeper.sequence = 2
    result = run(baseline.baseline, "show", "lab.py", "--json")
    assert (result.exit_code, verdict(result)) == (1, "not signed by this operator")
    keeper.says = None
    sign_and_keep(host(), "other.py", settings)
    assert "newer than the copy here" in verdict(run(baseline.baseline, "show", "lab.py", "--json"))
    assert verdict(run(baseline.baseline, "show", "third.py", "--json")) == "no copy here"


def test_a_baseline_that_was_edited_together_with_its_document_differs_from_the_copy(keeper: Sentinel) -> None:
    keeper.says = {"differences": []}
    assert run(baseline.baseline, "diff", "lab.py").exit_code == 0
    keeper.entries["/etc/evil"] = entry()
    result = run(baseline.baseline, "diff", "lab.py")
    assert (result.exit_code, "/etc/evil" in result.stdout) == (1, True)
    assert "not as it was signed here" in result.stdout


def test_what_differs_on_the_host_is_shown(keeper: Sentinel) -> None:
    keeper.says = {"differences": [{"path": "/etc/\x1bx", "what": "changed", "differs": ["mode"], "planned": False}]}
    result = run(baseline.baseline, "diff", "lab.py")
    assert (result.exit_code, "\x1b" in result.stdout, "mode" in result.stdout) == (1, False, True)


def test_accepting_takes_a_reason_and_paths(keeper: Sentinel) -> None:
    for wrong in (
        [],
        ["/etc/b"],
        ["--all", "/etc/b", "--reason", "why"],
        ["--all", "--reason", " "],
        ["--reason", "why"],
    ):
        assert run(baseline.baseline, "accept", "lab.py", *wrong).exit_code == 2
    assert keeper.asked == []


def test_what_is_accepted_is_signed_kept_and_journalled(keeper: Sentinel) -> None:
    result = run(baseline.baseline, "accept", "lab.py", "/etc/b", "--reason", "our tool", "--json")
    assert result.exit_code == 0, result.output
    (verb, given), (signed, _) = keeper.asked
    assert (verb, given["paths"], given["reason"], signed) == (
        "baseline accept",
        ["/etc/b"],
        "our tool",
        "baseline sign",
    )
    line = json.loads((paths.STATE / "journal" / "lab.jsonl").read_text())
    assert (line["run"], line["accepted"], line["reason"]) == ("accept", ["/etc/b"], "our tool")
    assert "@" in line["by"]


def differing(*found: str) -> dict[str, object]:
    return {"differences": [{"path": path, "what": "changed", "differs": ["sha256"]} for path in found]}


def test_all_is_journalled_by_name_and_is_never_the_model(keeper: Sentinel) -> None:
    keeper.says = differing("/etc/b", "/usr/bin/c")
    assert run(baseline.baseline, "accept", "lab.py", "--all", "--reason", "updates").exit_code == 0
    line = json.loads((paths.STATE / "journal" / "lab.jsonl").read_text())
    assert line["accepted"] == ["/etc/b", "/usr/bin/c"]
    keeper.asked.clear()
    weights = "/var/lib/casemate/models/abc/model.safetensors"
    keeper.says = differing("/etc/b", weights)
    result = run(baseline.baseline, "accept", "lab.py", "--all", "--reason", "updates")
    assert (result.exit_code, weights in result.stdout) == (1, True)
    assert [verb for verb, _ in keeper.asked] == ["baseline diff"]
    assert run(baseline.baseline, "accept", "lab.py", weights, "--reason", "an old one").exit_code == 0


def test_a_host_that_refuses_is_1(keeper: Sentinel) -> None:
    keeper.says = CasemateError("gpu1: the sentinel says: no", next="look")
    result = run(baseline.baseline, "accept", "lab.py", "--all", "--reason", "why")
    assert (result.exit_code, "the sentinel says: no" in result.stdout) == (1, True)
