"""What of the files for Prometheus is vision's alone."""

import re
from pathlib import Path

import pytest
import yaml

from deploy.cli.monitoring import files
from deploy.door import Door
from tests.templates.vision.told import exposition

pytestmark = pytest.mark.long

JOB = "casemate-test"


def test_codes_in_alarms_are_told_from_the_start() -> None:
    [group] = yaml.safe_load(files(JOB, "inventory/test.py", [])["alerts.yml"])["groups"]
    codes = {
        code
        for rule in group["rules"]
        for part in re.findall(r'code=~?"([^"]+)"', rule["expr"])
        for code in part.split("|")
    }
    assert len(codes) == 6
    assert codes == set(re.findall(r'request_failures_total\{code="(\w+)"\} 0\.0', exposition()))


def test_the_scrape_configuration_names_a_key_and_has_none(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("-----BEGIN CERTIFICATE-----\n")
    doors = [
        Door("gpu1", "192.0.2.1", 8443, "one.example", tmp_path / "ca.pem", 0),
        Door("gpu2", "192.0.2.2", 443, "two.example", None, 0),
    ]
    written = files(JOB, "inventory/test.py", doors)
    text = written["scrape.yml"]
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
    assert written["gpu1.pem"] == "-----BEGIN CERTIFICATE-----\n"
    assert "gpu2.pem" not in written
