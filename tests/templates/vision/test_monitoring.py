"""Rules and dashboard against the figures that the service really tells, judged by Prometheus's own tool."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.cli.monitoring import files, job_of
from deploy.door import Door
from service.vision.engine.protocol import Load
from service.vision.metrics import Metrics
from service.vision.moment import Moment, Moments
from tests.templates.vision.alarms import ALARMS

pytestmark = pytest.mark.long

JOB = "casemate-test"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `casemate monitoring` writes for two hosts, with the key that the operator adds."""
    out = tmp_path_factory.mktemp("monitoring")
    (out / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    doors = [
        Door("gpu1", "192.0.2.1", 8443, "one.example", out / "ca.pem", 0),
        Door("gpu2", "192.0.2.2", 443, "two.example", None, 0),
    ]
    for name, content in files(JOB, "inventory/test.py", doors).items():
        (out / name).write_text(content)
    (out / "prometheus.key").write_text("csm_x\n")
    return out


@pytest.fixture(scope="module")
def exposition() -> str:
    metrics = Metrics("micro", "r1")
    moment = Moment(True, True, 0.0, Load(), 6, 0, 0, 0)
    metrics.read_at_scrape(Moments(lambda: moment))
    return metrics.text("")[0].decode()


@pytest.fixture(scope="module")
def told(exposition: str) -> set[str]:
    """Names of all series that a service tells before its first request; `up` is Prometheus's own."""
    return {"up", *re.findall(r"^(\w+)[{ ]", exposition, re.MULTILINE)}


def promtool(*arguments: str | Path, given: str | None = None) -> "subprocess.CompletedProcess[str]":
    if not shutil.which("promtool"):
        pytest.skip("needs promtool; make test installs prometheus")
    return subprocess.run(["promtool", *arguments], input=given, capture_output=True, text=True, check=False)


def rules(written: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((written / "alerts.yml").read_text())["groups"][0]["rules"]
    return found


def queries(written: Path) -> list[str]:
    panels = json.loads((written / "grafana.json").read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def names(expression: str) -> set[str]:
    """Series that an expression is about: what stands before a brace."""
    return set(re.findall(r"(\w+)\{", expression))


def test_every_series_that_is_asked_for_is_told(written: Path, told: set[str]) -> None:
    asked = {name for text in [*queries(written), *(rule["expr"] for rule in rules(written))] for name in names(text)}
    assert len(asked) > 25
    assert asked <= told


def test_every_series_that_is_told_is_shown_or_alarms(written: Path, told: set[str]) -> None:
    """Nothing is recorded that nobody looks at, but for what the library adds of itself."""
    asked = {name for text in [*queries(written), *(rule["expr"] for rule in rules(written))] for name in names(text)}
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in told if name.startswith("casemate_")}
    assert families <= {re.sub(r"_(bucket|sum|count)$", "", name) for name in asked}


def test_codes_in_alarms_are_told_from_the_start(written: Path, exposition: str) -> None:
    codes = {
        code
        for rule in rules(written)
        for part in re.findall(r'code=~?"([^"]+)"', rule["expr"])
        for code in part.split("|")
    }
    assert len(codes) == 5
    assert codes == set(re.findall(r'request_failures_total\{code="(\w+)"\} 0\.0', exposition))


def test_nothing_is_about_another_inventory(written: Path) -> None:
    for text in [*queries(written), *(rule["expr"] for rule in rules(written))]:
        assert text.count("{") == text.count(f'{{job="{JOB}"'), text


def test_prometheus_takes_the_rules_and_the_configuration(written: Path) -> None:
    for what in ("rules", "config"):
        file = {"rules": "alerts.yml", "config": "scrape.yml"}[what]
        done = promtool("check", what, written / file)
        assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_finds_no_fault_with_the_exposition(exposition: str) -> None:
    done = promtool("check", "metrics", given=exposition)
    assert (done.returncode, done.stderr) == (0, "")


def test_prometheus_takes_the_dashboard_s_queries(written: Path, tmp_path: Path) -> None:
    asked = [text.replace("$__rate_interval", "5m").replace("$instance", ".*") for text in queries(written)]
    recorded = [{"record": f"panel_{number}", "expr": text} for number, text in enumerate(asked)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    done = promtool("check", "rules", tmp_path / "panels.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(asked)} rules found" in done.stdout


def test_each_alarm_goes_off_when_it_should_and_only_then(written: Path, tmp_path: Path) -> None:
    shutil.copy(written / "alerts.yml", tmp_path)
    assert set(ALARMS) == {rule["alert"] for rule in rules(written)}
    severities = {rule["alert"]: rule["labels"]["severity"] for rule in rules(written)}
    tests = []
    for name, alarm in ALARMS.items():
        for series, goes_off in ((alarm.bad, True), (alarm.good, False)):
            labels = f'alertname="{name}",alertstate="firing",severity="{severities[name]}",job="{JOB}"'
            labels += ',instance="gpu1"' if alarm.of_a_host else ""
            asked = {
                "expr": f'ALERTS{{alertname="{name}",alertstate="firing"}}',
                "eval_time": alarm.after,
                "exp_samples": [{"labels": f"ALERTS{{{labels}}}", "value": 1}] if goes_off else [],
            }
            told = [{"series": named(one), "values": values} for one, values in series.items()]
            tests.append(
                {"name": f"{name} {goes_off}", "interval": "1m", "input_series": told, "promql_expr_test": [asked]}
            )
    (tmp_path / "tests.yml").write_text(yaml.safe_dump({"rule_files": ["alerts.yml"], "tests": tests}))
    done = promtool("test", "rules", tmp_path / "tests.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def named(series: str) -> str:
    """`x{a="b"}` of the host gpu1."""
    name, _, labels = series.partition("{")
    return f'{name}{{job="{JOB}",instance="gpu1"' + (f",{labels}" if labels else "}")


def test_the_series_of_the_alarms_tests_are_told_too(told: set[str]) -> None:
    used = {series.partition("{")[0] for alarm in ALARMS.values() for one in (alarm.good, alarm.bad) for series in one}
    assert used - {"unrelated"} <= told


def test_the_dashboard_is_one(written: Path) -> None:
    dashboard = json.loads((written / "grafana.json").read_text())
    assert dashboard["uid"] == dashboard["title"] == JOB
    places = [tuple(panel["gridPos"][side] for side in "xywh") for panel in dashboard["panels"]]
    assert len({place[:2] for place in places}) == len(places) > 15
    assert all(x + w <= 24 and y % h == 0 for x, y, w, h in places)
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(places)
    assert len({panel["title"] for panel in dashboard["panels"]}) == len(places)


def test_the_scrape_configuration_names_a_key_and_has_none(written: Path) -> None:
    text = (written / "scrape.yml").read_text()
    one, of_its_sentinel, two, _ = yaml.safe_load(text)["scrape_configs"]
    assert one["static_configs"] == [{"targets": ["one.example:8443"], "labels": {"job": JOB, "instance": "gpu1"}}]
    assert (one["metrics_path"], of_its_sentinel["metrics_path"]) == ("/metrics", "/metrics/sentinel")
    labels = of_its_sentinel["static_configs"][0]["labels"]
    assert labels == {"job": f"{JOB}-sentinel", "instance": "gpu1"}
    assert {**of_its_sentinel, "job_name": 0, "metrics_path": 0, "static_configs": 0} == {
        **one, "job_name": 0, "metrics_path": 0, "static_configs": 0
    }  # fmt: skip
    assert one["tls_config"] == {"server_name": "one.example", "ca_file": "gpu1.pem"}
    assert two["tls_config"] == {"server_name": "two.example"}
    assert one["authorization"] == {"type": "Bearer", "credentials_file": "prometheus.key"}
    assert "insecure" not in text
    assert "csm_" not in text
    assert (written / "gpu1.pem").read_text() == "-----BEGIN CERTIFICATE-----\n"
    assert not (written / "gpu2.pem").exists()


@pytest.mark.parametrize(
    ("inventory", "job"), [("inventory/gpu.py", "casemate-gpu"), ('it\'s "x".py', "casemate-it-s--x-")]
)
def test_any_inventory_has_a_job(inventory: str, job: str) -> None:
    assert job_of(inventory) == job
    assert json.loads(files(job_of(inventory), inventory, [])["grafana.json"])["uid"] == job
