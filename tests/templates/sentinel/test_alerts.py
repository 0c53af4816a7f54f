"""The sentinel's rules against the figures that it really tells, judged by Prometheus's own tool."""

import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.cli.monitoring import files
from service.sentinel.exposition import exposition
from service.sentinel.heartbeat import State
from service.sentinel.outlets.outlet import Condition
from service.sentinel.record import Tally

pytestmark = pytest.mark.long

JOB = "casemate-test"
_PREFIX = "casemate_sentinel_"


@dataclass(frozen=True)
class Alarm:
    """Series that set it off, and that do not, when one looks `after` a while.

    In promtool's notation: a figure a minute, from 1970 on.
    """

    bad: dict[str, str]
    good: dict[str, str]
    after: str
    labels: dict[str, str] = field(default_factory=lambda: {"instance": "gpu1"})


def _gauge(name: str, bad: str, good: str, after: str = "100m", **labels: str) -> Alarm:
    told = (
        _PREFIX + name + ("{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}" if labels else "")
    )
    return Alarm({told: bad}, {told: good}, after, {"instance": "gpu1", **labels})


_SWEPT, _EVERY = _PREFIX + "last_sweep_timestamp_seconds", _PREFIX + "sweep_interval_seconds"
ALARMS = {
    "CasemateSentinelNotScraped": Alarm({"up": "1x9 0x60"}, {"up": "1x60"}, "30m"),
    "CasemateSentinelNoTarget": Alarm({"unrelated": "1x60"}, {"up": "0x60"}, "30m", {}),
    "CasemateSentinelSilent": _gauge("last_beat_timestamp_seconds", "0+60x60 3600x60", "0+60x120", "66m"),
    "CasemateSentinelCritical": _gauge(
        "last_alert_timestamp_seconds", "0x89 5400x60", "0x60 0x60", severity="critical"
    ),
    "CasemateSentinelHigh": _gauge("last_alert_timestamp_seconds", "5400x150", "2300x150", severity="high"),
    "CasemateSentinelCoverageGap": _gauge("coverage_gaps_open", "0x93 1x60", "1x98 0x60"),
    "CasemateSentinelSweepOverdue": Alarm(
        {_SWEPT: "0+60x60 3600x60", _EVERY: "60x120"}, {_SWEPT: "0+60x60 3600x60", _EVERY: "1200x120"}, "84m"
    ),
    "CasemateSentinelNotRecording": _gauge("ledger_failing", "0x90 1x60", "0x60 1x30 0x60"),
    "CasemateSentinelOutletFailing": _gauge("outlet_failing", "1x150", "1x95 0 1x60", outlet="webhook"),
    "CasemateSentinelOutletDropping": _gauge("outlet_dropped_total", "0x90 2x60", "7x150", outlet="webhook"),
    "CasemateSentinelBaselineUnsigned": _gauge("baseline_signed", "1x30 0x150", "0x95 1x60"),
}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("monitoring") / "alerts-sentinel.yml"
    path.write_text(files(JOB, "inventory/test.py", [])[path.name])
    return path


@pytest.fixture(scope="module")
def told() -> set[str]:
    """Names of all series that a sentinel tells before anything has happened; `up` is Prometheus's own."""
    state = State("inotify", 0, None, None, 60, 0, 0, None, None, False)
    tally = Tally({}, 0, {}, 0, None, [Condition("webhook", 0, 0, 0, 0, 0, None, None)])
    return {"up", *re.findall(r"^(\w+)[{ ]", exposition(state, tally, None), re.MULTILINE)}


def rules(written: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(written.read_text())["groups"][0]["rules"]
    return found


def promtool(*arguments: "str | Path") -> None:
    if not shutil.which("promtool"):
        pytest.skip("needs promtool; make test installs prometheus")
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_series_that_is_asked_for_is_told(written: Path, told: set[str]) -> None:
    asked = {name for rule in rules(written) for name in re.findall(r"(\w+)\{", rule["expr"])}
    assert len(asked) > 8
    assert asked <= told


def test_nothing_is_about_another_inventory(written: Path) -> None:
    for rule in rules(written):
        assert rule["expr"].count("{") == rule["expr"].count(f'{{job="{JOB}-sentinel"'), rule


def test_prometheus_takes_the_rules(written: Path) -> None:
    promtool("check", "rules", written)


def test_each_alarm_goes_off_when_it_should_and_only_then(written: Path, tmp_path: Path) -> None:
    shutil.copy(written, tmp_path)
    assert set(ALARMS) == {rule["alert"] for rule in rules(written)}
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in rules(written)}
    tests = []
    for name, alarm in ALARMS.items():
        for series, goes_off in ((alarm.bad, True), (alarm.good, False)):
            labels = {"alertname": name, "alertstate": "firing", "job": f"{JOB}-sentinel", **alarm.labels}
            labels["severity"] = severities[name]
            shown = ",".join(f'{key}="{value}"' for key, value in labels.items())
            asked = {
                "expr": f'ALERTS{{alertname="{name}",alertstate="firing"}}',
                "eval_time": alarm.after,
                "exp_samples": [{"labels": f"ALERTS{{{shown}}}", "value": 1}] if goes_off else [],
            }
            given = [{"series": _named(one), "values": values} for one, values in series.items()]
            tests.append(
                {"name": f"{name} {goes_off}", "interval": "1m", "input_series": given, "promql_expr_test": [asked]}
            )
    (tmp_path / "tests.yml").write_text(yaml.safe_dump({"rule_files": [written.name], "tests": tests}))
    promtool("test", "rules", tmp_path / "tests.yml")


def _named(series: str) -> str:
    """`x{a="b"}` of the sentinel of the host gpu1."""
    name, _, labels = series.partition("{")
    return f'{name}{{job="{JOB}-sentinel",instance="gpu1"' + (f",{labels}" if labels else "}")


def test_the_series_of_the_alarms_tests_are_told_too(told: set[str]) -> None:
    used = {series.partition("{")[0] for alarm in ALARMS.values() for one in (alarm.good, alarm.bad) for series in one}
    assert used - {"unrelated"} <= told
