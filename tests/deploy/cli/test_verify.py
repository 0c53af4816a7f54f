"""casemate verify without a host: what cannot be seen is never good."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.judgement.control import load_controls
from deploy.paths import ROOT

GROUP_DATA = """
release = {"model": "service/micro/weights", "model_name": "glm"}
vision = {"golden": {"picture": "golden.png", "question": "?", "answer": "red"}}
proxy = {"server_name": "ai.example"}
ssh_user = "nobody"
ssh_strict_host_key_checking = "yes"
"""
HOSTS = """gpu = [("gpu1", {"ssh_hostname": "127.0.0.1", "ssh_port": 1, "ssh_connect_retries": 0})]\n"""


def casemate(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from deploy.cli import main; sys.argv[0] = 'casemate'; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


@pytest.fixture
def inventory(tmp_path: Path) -> Path:
    """An inventory of one host, where nobody answers."""
    (tmp_path / "group_data").mkdir()
    (tmp_path / "group_data" / "gpu.py").write_text(GROUP_DATA)
    (tmp_path / "inventory.py").write_text(HOSTS)
    return tmp_path / "inventory.py"


def test_a_host_that_does_not_answer_is_unknown_through_and_through_and_that_is_1(inventory: Path) -> None:
    done = casemate("verify", str(inventory), "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["good"] is False
    host = found["hosts"]["gpu1"]
    assert (host["passed"], host["failed"], host["unknown"]) == (0, 0, len(load_controls()))
    assert "does not answer" in host["findings"][0]["reason"]


def test_the_table_ends_with_the_summary(inventory: Path) -> None:
    done = casemate("verify", str(inventory))
    assert done.returncode == 1
    assert done.stdout.splitlines()[-1] == f"gpu1: 0 passed, 0 failed, {len(load_controls())} unknown"
    assert "Next: see whether it is up" in done.stdout


def test_an_inventory_that_is_not_there_is_2(tmp_path: Path) -> None:
    done = casemate("verify", str(tmp_path / "none.py"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "Next: " in done.stderr


def test_a_waiver_of_no_control_is_2_before_anything_connects(inventory: Path) -> None:
    waiver = "- {control: no-such-truth, host: gpu1, reason: approved by the board, until: 2030-01-01}\n"
    (inventory.parent / "waivers.yaml").write_text(waiver)
    done = casemate("verify", str(inventory))
    assert (done.returncode, done.stdout) == (2, "")
    assert "no-such-truth: no such control" in done.stderr


def test_a_waived_finding_is_not_counted_as_one(inventory: Path) -> None:
    names = [control.id for control in load_controls()]
    line = "- {{control: {}, host: 'gpu*', reason: not in service yet, until: 2099-01-01}}\n"
    (inventory.parent / "waivers.yaml").write_text("".join(line.format(name) for name in names))
    done = casemate("verify", str(inventory), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["hosts"]["gpu1"]["waived"] == len(names)
