"""casemate alerts, baseline and quarantine, and the sentinel's part of casemate status: words and exit statuses."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from gevent.pool import Pool

from deploy import paths
from deploy.cli import alerts, baseline, quarantine, status
from deploy.errors import CasemateError
from deploy.facts.chained import alerted, tailed
from deploy.facts.observed import Observed
from deploy.run import journal
from deploy.run.baseline import sign_and_keep
from deploy.settings.release import ReleaseSettings
from service.ledger import Ledger
from tests.deploy.run.sentinels import Sentinel, entry, host, sentinel, settings

__all__ = ["sentinel", "settings"]

ALERT = {"event": "alert", "severity": "high", "set": "nginx", "what": "changed", "path": "/etc/nginx/nginx.conf"}


@contextmanager
def connected(*_: Any) -> Iterator[Any]:
    yield SimpleNamespace(hosts=[host()], refused={}, state=SimpleNamespace(pool=Pool()))


def here(monkeypatch: pytest.MonkeyPatch, module: Any) -> None:
    """One connected host, gpu1."""
    monkeypatch.setattr(module, "connected", connected)
    monkeypatch.setattr(module, "read_inventory", lambda *_: (None, []))


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """The sentinel's log of gpu1."""
    here(monkeypatch, alerts)
    programs: dict[str, Callable[..., dict[str, Any]]] = {
        "deploy.facts.chained.alerted": lambda log, since, severities, count: alerted.alerted(
            Path(log), since, frozenset(severities), count
        ),
        "deploy.facts.chained.tailed": _tailed,
    }
    monkeypatch.setattr(alerts, "told", lambda _, entry, *arguments: programs[entry](*arguments))
    monkeypatch.setattr(alerts, "LOGS", {"sentinel": str(tmp_path / "alerts.jsonl")})
    return Ledger(tmp_path / "alerts.jsonl")


def _tailed(log: str, count: int, after: str) -> dict[str, Any]:
    """As the program tells it."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        tailed.main(log, count, after)
    return dict(json.loads(printed.getvalue()))


def run(command: Any, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments))


def test_no_alert_is_good_and_one_is_not(log: Ledger) -> None:
    log.append({"event": "heartbeat", "severity": None})
    log.append({**ALERT, "event": "planned", "severity": None, "run": "1"})
    assert run(alerts.alerts, "lab.py").exit_code == 0
    log.append(ALERT)
    result = run(alerts.alerts, "lab.py")
    assert (result.exit_code, "/etc/nginx/nginx.conf" in result.stdout) == (1, True)
    assert "nginx changed" in result.stdout


def test_only_what_is_as_bad_and_as_new_as_asked_for(log: Ledger) -> None:
    for severity in ("low", "medium", "high", "critical"):
        log.append({**ALERT, "severity": severity})
    told = [json.loads(line)["severity"] for line in run(alerts.alerts, "lab.py", "--json").stdout.splitlines()]
    assert told == ["medium", "high", "critical"]
    assert len(run(alerts.alerts, "lab.py", "--json", "--severity", "high").stdout.splitlines()) == 2
    assert len(run(alerts.alerts, "lab.py", "--json", "--severity", "low").stdout.splitlines()) == 4
    assert run(alerts.alerts, "lab.py", "--since", "2099-01-01").exit_code == 0
    assert run(alerts.alerts, "lab.py", "--severity", "worst").exit_code == 2


def test_what_is_left_out_is_said(log: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "_MOST", 2)
    for number in range(5):
        log.append({**ALERT, "number": number})
    result = run(alerts.alerts, "lab.py", "--json")
    assert [json.loads(line)["number"] for line in result.stdout.splitlines()] == [3, 4]
    assert "3 older alerts are not shown" in result.stderr


def test_a_name_of_a_file_commands_no_terminal(log: Ledger) -> None:
    log.append({**ALERT, "path": "/etc/\x1b[2Jevil"})
    assert "\x1b" not in run(alerts.alerts, "lab.py").stdout


def test_following_shows_each_new_alert_once(log: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    log.append(ALERT)
    rounds = iter((1, 2))

    def pause(_: float) -> None:
        number = next(rounds, None)
        if number is None:
            raise KeyboardInterrupt
        log.append({**ALERT, "number": number})
        log.append({"event": "heartbeat", "severity": None})

    monkeypatch.setattr(alerts, "time", SimpleNamespace(sleep=pause))
    result = run(alerts.alerts, "lab.py", "--follow", "--json")
    assert [json.loads(line).get("number") for line in result.stdout.splitlines()] == [None, 1, 2]


@pytest.mark.parametrize(
    ("fields", "shown"),
    [
        ({**ALERT, "container": "casemate-vision-a", "inside": "/app/x"}, "casemate-vision-a:/app/x"),
        ({**ALERT, "differs": ["mode"]}, "nginx changed (mode)"),
        ({"event": "baseline_edited", "severity": "critical", "why": "its lines"}, "baseline edited: its lines"),
        ({**ALERT, "who": {"pid": 7, "program": "/usr/bin/vi", "uid": 0}}, "/usr/bin/vi (pid 7, uid 0)"),
    ],
)
def test_an_alert_is_told_in_words(fields: dict[str, Any], shown: str) -> None:
    assert shown in alerts.row("gpu1", fields).values()


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


def test_a_host_that_refuses_is_1(keeper: Sentinel) -> None:
    keeper.says = CasemateError("gpu1: the sentinel says: no", next="look")
    result = run(baseline.baseline, "accept", "lab.py", "--all", "--reason", "why")
    assert (result.exit_code, "the sentinel says: no" in result.stdout) == (1, True)


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


def observed(sentinel: dict[str, Any] | None) -> Observed:
    return Observed({"sentinel": sentinel, "resources": {"time": 1000.0}, "errors": {"sentinel": "no"}}, 1000.0)


GOOD = {"beat": 990.0, "deviating": 0, "quarantined": 0, "baseline": {"sequence": 1, "signed": True}, "window": None}


@pytest.mark.parametrize(
    ("found", "healthy", "words"),
    [
        ({"installed": True, "status": GOOD}, True, "beat 10 s ago, 0 alerts"),
        ({"installed": True, "status": {**GOOD, "beat": 800.0}}, False, "beat 200 s ago"),
        ({"installed": True, "status": {**GOOD, "beat": None}}, False, "no beat yet"),
        ({"installed": True, "status": {**GOOD, "deviating": 3}}, False, "3 alerts"),
        ({"installed": True, "status": {**GOOD, "quarantined": 1}}, False, "1 in quarantine"),
        ({"installed": True, "status": {**GOOD, "baseline": {"sequence": 2, "signed": False}}}, True, "not signed"),
        ({"installed": True, "status": None, "error": "timed out"}, False, "timed out"),
        ({"installed": False, "status": None, "error": "it is not there"}, True, "it is not there"),
        (None, False, "no"),
    ],
)
def test_silence_and_alerts_are_no_health(found: dict[str, Any] | None, healthy: bool, words: str) -> None:
    told = status.watch(observed(found))
    assert told["healthy"] is healthy
    assert words in status._sentinel_row(told)


def test_the_beat_is_a_time() -> None:
    told = status.watch(observed({"installed": True, "status": GOOD}))
    assert told["beat"] == datetime.fromtimestamp(990, UTC)
