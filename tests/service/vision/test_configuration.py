"""The variables of the container."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.vision.configuration import ConfigurationError, from_environment

ROOT = Path(__file__).resolve().parents[3]
NEEDED = {
    "CASEMATE_VISION_MODEL": "/models/micro",
    "CASEMATE_VISION_MODEL_NAME": "micro",
    "CASEMATE_VISION_SOCKET": "/run/vision/vision.sock",
    "CASEMATE_VISION_AUDIT_LOG": "/var/log/vision/audit.jsonl",
}


def test_what_is_needed_is_enough() -> None:
    configuration = from_environment({**NEEDED, "PATH": "/bin"})
    assert (configuration.device, configuration.precision, configuration.queue) == ("cuda", "bf16", 64)
    assert from_environment({**NEEDED, "CASEMATE_VISION_QUEUE": "5"}).queue == 5
    assert not configuration.compile
    assert from_environment({**NEEDED, "CASEMATE_VISION_COMPILE": "true"}).compile


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("DEVICE", "tpu", "CASEMATE_VISION_DEVICE: Input should be 'cpu' or 'cuda'"),
        ("QUEUE", "many", "CASEMATE_VISION_QUEUE: Input should be a valid integer"),
        ("QUEUE", "0", "CASEMATE_VISION_QUEUE: Input should be greater than or equal to 1"),
        ("QUEU", "5", "CASEMATE_VISION_QUEU: Extra inputs are not permitted"),
        ("MODEL_NAME", "Mi cro", "CASEMATE_VISION_MODEL_NAME: String should match pattern"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as wrong:
        from_environment({**NEEDED, f"CASEMATE_VISION_{name}": value})
    assert str(wrong.value).startswith(told)


def test_all_that_is_missing_is_named_at_once_and_before_anything_is_loaded() -> None:
    command = [sys.executable, "-X", "importtime", "-m", "service.vision"]
    result = subprocess.run(command, cwd=ROOT, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True)
    assert result.returncode == 2
    assert all(f"{name}: Field required" in result.stderr for name in NEEDED)
    assert "torch" not in result.stderr
