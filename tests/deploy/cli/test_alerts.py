"""casemate alerts: what is listed, in which words, and the exit status."""

import io
import json
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.cli import alerts
from deploy.facts.chained import alerted, tailed
from service.ledger import Ledger
from tests.deploy.cli.hosts import here, run

ALERT = {"event": "alert", "severity": "high", "set": "nginx", "what": "changed", "path": "/etc/nginx/nginx.conf"}


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
        ({"event": "released", "state": "released", "reason": "mine"}, "released: mine"),
        (
            {"event": "quarantined", "state": "in force", "because": "created: /x.php"},
            "quarantined: in force: created: /x.php",
        ),
    ],
)
def test_an_alert_is_told_in_words(fields: dict[str, Any], shown: str) -> None:
    assert shown in alerts.row("gpu1", fields).values()
