"""The service against its own description, judged by a stranger: schemathesis, unchanged."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from service.vision.engine.protocol import JobFailed
from tests.service.vision.relay import relay
from tests.service.vision.running import IDENTITY, Running
from tests.service.vision.scripted import ScriptedEngine

pytestmark = pytest.mark.long

SCHEMATHESIS = Path(sys.executable).with_name("schemathesis")


# A schema cannot say that a picture must be one, or that some fields go only with others: 400 is right for these.
SETTINGS = """
[checks.positive_data_acceptance]
expected-statuses = [200, 400, 404]
"""


def judged(service: Running, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run it from an empty folder, so that it finds no settings and leaves nothing here."""
    (folder / "schemathesis.toml").write_text(SETTINGS)
    headers = [word for name, value in IDENTITY.items() for word in ("-H", f"{name}: {value}")]
    with relay(service.configuration.socket) as place:
        command = [str(SCHEMATHESIS), "run", f"http://{place}/openapi.json", "--checks", "all", *headers]
        return subprocess.run(
            [*command, "--phases", "coverage,fuzzing", "--generation-deterministic", *options],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "NO_COLOR": "1", "COLUMNS": "120"},
            capture_output=True,
            text=True,
        )


def test_every_answer_is_as_described(service: Running, engine: ScriptedEngine, tmp_path: Path) -> None:
    engine.script = ["<think>hm</think>", "It is", " red."]
    done = judged(service, tmp_path, "--max-examples", "25", "--continue-on-failure")
    assert done.returncode == 0, done.stdout
    assert len(engine.jobs) > 50, "few of its requests were valid"


def test_the_judge_sees_a_failure_and_an_undescribed_answer(
    service: Running, engine: ScriptedEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: what the service never does on purpose is found."""
    engine.script = [JobFailed("no memory", "out_of_memory", again=False)]
    done = judged(service, tmp_path, "--include-path", "/v1/chat/completions", "--max-failures", "1")
    assert (done.returncode, "Server error" in done.stdout) == (1, True), done.stdout
    engine.script = ["fine"]
    monkeypatch.setattr("service.vision.answers.Completion.model_dump_json", lambda *_, **__: '{"choices": null}')
    done = judged(service, tmp_path, "--include-path", "/v1/chat/completions", "--max-failures", "1")
    assert (done.returncode, "Response violates schema" in done.stdout) == (1, True), done.stdout
