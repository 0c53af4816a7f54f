"""Rules and dashboards against the figures that are really told, judged by Prometheus's own tool."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.cli.monitoring import files, job_of
from deploy.door import Door
from tests.templates.alarm import Alarm
from tests.templates.sentinel import alarms as of_sentinel
from tests.templates.sentinel import told as by_sentinel
from tests.templates.vision import alarms as of_vision
from tests.templates.vision import told as by_vision

pytestmark = pytest.mark.long

JOB = "casemate-test"


@dataclass(frozen=True)
class Watched:
    """What tells figures, and the ending of the names of its job and of the files about it."""

    ending: str
    exposition: Callable[[], str]
    alarms: dict[str, Alarm]

    @property
    def job(self) -> str:
        return JOB + self.ending

    @property
    def told(self) -> set[str]:
        """Names of all series that are told from the start; `up` is Prometheus's own."""
        return {"up", *re.findall(r"^(\w+)[{ ]", self.exposition(), re.MULTILINE)}

    def rules(self, written: Path) -> list[dict[str, Any]]:
        [group] = yaml.safe_load((written / f"alerts{self.ending}.yml").read_text())["groups"]
        rules: list[dict[str, Any]] = group["rules"]
        return rules

    def dashboard(self, written: Path) -> dict[str, Any]:
        dashboard: dict[str, Any] = json.loads((written / f"grafana{self.ending}.json").read_text())
        return dashboard

    def shown(self, written: Path) -> list[str]:
        """The dashboard's queries."""
        return [target["expr"] for panel in self.dashboard(written)["panels"] for target in panel["targets"]]

    def queries(self, written: Path) -> list[str]:
        return [*self.shown(written), *(rule["expr"] for rule in self.rules(written))]


@pytest.fixture(params=["vision", "sentinel"])
def watched(request: pytest.FixtureRequest) -> Watched:
    return {
        "vision": Watched("", by_vision.exposition, of_vision.ALARMS),
        "sentinel": Watched("-sentinel", by_sentinel.exposition, of_sentinel.ALARMS),
    }[request.param]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `casemate monitoring` writes for a host, with the key that the operator adds."""
    out = tmp_path_factory.mktemp("monitoring")
    door = Door("gpu1", "192.0.2.1", 8443, "one.example", None, 0)
    for name, content in files(JOB, "inventory/test.py", [door]).items():
        (out / name).write_text(content)
    (out / "prometheus.key").write_text("csm_x\n")
    return out


def promtool(*arguments: str | Path, given: str | None = None) -> str:
    """What it says; AssertionError when it finds a fault."""
    if not shutil.which("promtool"):
        pytest.skip("needs promtool; make test installs prometheus")
    done = subprocess.run(["promtool", *arguments], input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def names(queries: list[str]) -> set[str]:
    """Series that they are about: what stands before a brace."""
    return {name for text in queries for name in re.findall(r"(\w+)\{", text)}


def families(series: set[str]) -> set[str]:
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in series}


def test_every_series_that_is_asked_for_is_told(watched: Watched, written: Path) -> None:
    asked = names(watched.queries(written))
    assert len(asked) > 25
    assert asked <= watched.told


def test_every_series_that_is_told_is_shown_or_alarms(watched: Watched, written: Path) -> None:
    """Nothing is recorded that nobody looks at, but for what the library adds of itself."""
    own = {name for name in watched.told if name.startswith("casemate_")}
    assert families(own) <= families(names(watched.queries(written)))


def test_nothing_is_about_another_inventory(watched: Watched, written: Path) -> None:
    for text in watched.queries(written):
        assert text.count("{") == len(re.findall(rf'\{{job="{watched.job}"[,}}]', text)), text


def test_prometheus_takes_the_rules(watched: Watched, written: Path) -> None:
    promtool("check", "rules", written / f"alerts{watched.ending}.yml")


def test_prometheus_takes_the_configuration(written: Path) -> None:
    promtool("check", "config", written / "scrape.yml")


def test_prometheus_finds_no_fault_with_the_exposition(watched: Watched) -> None:
    promtool("check", "metrics", given=watched.exposition())


def test_prometheus_takes_the_dashboard_s_queries(watched: Watched, written: Path, tmp_path: Path) -> None:
    asked = [text.replace("$__rate_interval", "5m").replace("$instance", ".*") for text in watched.shown(written)]
    recorded = [{"record": f"panel_{number}", "expr": text} for number, text in enumerate(asked)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    assert f"{len(asked)} rules found" in promtool("check", "rules", tmp_path / "panels.yml")


def test_each_alarm_goes_off_when_it_should_and_only_then(watched: Watched, written: Path, tmp_path: Path) -> None:
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in watched.rules(written)}
    assert set(watched.alarms) == set(severities)
    tests = []
    for name, alarm in watched.alarms.items():
        for series, goes_off in ((alarm.bad, True), (alarm.good, False)):
            firing = {"alertname": name, "alertstate": "firing"}
            labels = {**firing, "job": watched.job, **alarm.labels, "severity": severities[name]}
            asked = {
                "expr": f"ALERTS{matched(firing)}",
                "eval_time": alarm.after,
                "exp_samples": [{"labels": f"ALERTS{matched(labels)}", "value": 1}] if goes_off else [],
            }
            told = [{"series": of_host(one, watched.job), "values": values} for one, values in series.items()]
            tests.append(
                {"name": f"{name} {goes_off}", "interval": "1m", "input_series": told, "promql_expr_test": [asked]}
            )
    rules = written / f"alerts{watched.ending}.yml"
    shutil.copy(rules, tmp_path)
    (tmp_path / "tests.yml").write_text(yaml.safe_dump({"rule_files": [rules.name], "tests": tests}))
    promtool("test", "rules", tmp_path / "tests.yml")


def matched(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}"


def of_host(series: str, job: str) -> str:
    """`x{a="b"}` of the host gpu1."""
    name, _, labels = series.partition("{")
    return f'{name}{{job="{job}",instance="gpu1"' + (f",{labels}" if labels else "}")


def test_the_series_of_the_alarms_tests_are_told_too(watched: Watched) -> None:
    alarms = watched.alarms.values()
    used = {series.partition("{")[0] for alarm in alarms for one in (alarm.good, alarm.bad) for series in one}
    assert used - {"unrelated"} <= watched.told


def test_the_dashboard_is_one(watched: Watched, written: Path) -> None:
    dashboard = watched.dashboard(written)
    assert dashboard["title"] == watched.job
    places = [tuple(panel["gridPos"][side] for side in "xywh") for panel in dashboard["panels"]]
    assert len({place[:2] for place in places}) == len(places) > 15
    assert all(x + w <= 24 and y % h == 0 for x, y, w, h in places)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(places)
    assert len({panel["title"] for panel in dashboard["panels"]}) == len(places)


@pytest.mark.parametrize(
    ("inventory", "job"),
    [
        ("inventory/gpu.py", "casemate-gpu"),
        ('it\'s "x".py', "casemate-it-s--x-"),
        ("x" * 99, "casemate-" + "x" * 31),
    ],
)
def test_any_inventory_has_a_job_and_dashboards_that_grafana_takes(inventory: str, job: str) -> None:
    assert job_of(inventory) == job
    written = files(job, inventory, [])
    identities = {json.loads(text)["uid"] for name, text in written.items() if name.startswith("grafana")}
    assert identities == {job, job.replace("casemate-", "sentinel-")}
    assert all(len(identity) <= 40 for identity in identities)
