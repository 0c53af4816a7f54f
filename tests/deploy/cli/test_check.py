"""The command itself: exit status, and what goes to which stream."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.paths import ROOT

EXAMPLE = "inventory/production.example.py"


def casemate(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = "import sys; from deploy.cli import main; sys.argv[0] = 'casemate'; main()"
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_valid_settings_are_0_and_json_has_every_default() -> None:
    done = casemate("check", EXAMPLE, "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["gpu1.example.org"]["network"]["bridge"] == "csm0"


def test_wrong_settings_are_2_and_nothing_goes_to_standard_output() -> None:
    done = casemate("check", EXAMPLE, "--data", "vision.memroy=1g")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--data: vision.memroy: unknown setting, expected memory?" in done.stderr
    assert "Next: " in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("check", "inventory/none.py"),
        ("check", EXAMPLE, "--limit", "nobody"),
        ("check", EXAMPLE, "--data", "novalue"),
        ("deploy", EXAMPLE, "--data", "vision.memroy=1g"),
        ("plan", EXAMPLE, "--data", "proxy.port=0"),
        ("nonsense",),
        ("check",),
        ("check", EXAMPLE, "--nonsense"),
    ],
)
def test_usage_and_settings_are_2(arguments: tuple[str, ...]) -> None:
    done = casemate(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Traceback" not in done.stderr


def test_a_host_that_does_not_answer_is_1_and_one_sentence(tmp_path: Path) -> None:
    inventory = tmp_path / "dead.py"
    connection = {"ssh_hostname": "127.0.0.1", "ssh_port": 1, "ssh_connect_retries": 0}
    example = (ROOT / "inventory/group_data/gpu.py").read_text()
    data = {key: value for key, value in _namespace(example).items() if not key.startswith(("ssh_", "__"))}
    inventory.write_text(f"gpu = [('gpu1', {data | connection!r})]\n")
    for verb in ("plan", "deploy"):
        done = casemate(verb, str(inventory))
        assert (done.returncode, done.stdout) == (1, "")
        assert "gpu1: 127.0.0.1 does not answer" in done.stderr
        assert "Traceback" not in done.stderr


def _namespace(text: str) -> dict[str, object]:
    found: dict[str, object] = {}
    exec(text, found)
    return found
