"""A process of its own that is told to end, or killed, in the middle of answers; its engine says what it is told to."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.ledger import verify
from tests.service.vision.running import connect, question

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = """
import json, os, sys
from service.vision.application import create
from service.vision.configuration import from_environment
from service.vision.server import Server
from tests.service.vision.scripted import ScriptedEngine
app, serving = create(from_environment(os.environ), ScriptedEngine(script=json.loads(sys.argv[1])))
Server(app, serving).run()
"""
LONG = ["It", *(0.05, " is") * 1000]


class Process:
    """Begun again in the same place as often as needed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.log = directory / "audit.jsonl"
        self.client = connect(directory / "vision.sock")

    def start(self, script: list[Any], drain_seconds: float) -> subprocess.Popen[str]:
        settings = {"MODEL": self.directory, "MODEL_NAME": "micro", "SOCKET": self.directory / "vision.sock"}
        settings |= {"AUDIT_LOG": self.log, "DRAIN_SECONDS": drain_seconds}
        environment = {f"CASEMATE_VISION_{name}": str(value) for name, value in settings.items()}
        command = [sys.executable, "-c", PROGRAM, json.dumps(script)]
        process = subprocess.Popen(
            command, cwd=ROOT, env={**environment, "PATH": os.environ["PATH"]}, stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + 30
        while not self._answers() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        return process

    def _answers(self) -> bool:
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    @contextlib.contextmanager
    def asking(self) -> Iterator[Iterator[str]]:
        """The events of a stream, after its first words."""
        with self.client.stream("POST", "/v1/chat/completions", json={**question(), "stream": True}) as answer:
            lines = (line for line in answer.iter_lines() if line)
            while '"It"' not in next(lines):
                pass
            yield lines


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Process]:
    made = Process(tmp_path)
    yield made
    made.client.close()


def test_told_to_end_it_ends_what_it_began_and_begins_nothing(place: Process) -> None:
    process = place.start(["It", 1.5, " is"], drain_seconds=20)
    with place.asking() as rest:
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + 5
        while place.client.get("/readyz").status_code != 503 and time.monotonic() < deadline:
            pass
        refused = place.client.post("/v1/chat/completions", json=question())
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "stopping")
        assert int(refused.headers["retry-after"]) > 0
        assert place.client.get("/healthz").status_code == 200
        assert list(rest)[-1] == "data: [DONE]"
    _, told = process.communicate(timeout=10)
    assert (process.returncode, told) == (0, "")
    lines = [json.loads(line) for line in place.log.read_bytes().splitlines()]
    assert [(line["event"], line.get("status")) for line in lines] == [
        ("begun", None),
        ("request", 503),
        ("request", 200),
    ]


def test_told_twice_it_ends_at_once_and_says_so_in_the_stream(place: Process) -> None:
    process = place.start(LONG, drain_seconds=600)
    with place.asking() as rest:
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        began = time.monotonic()
        assert '"code":"stopping"' in list(rest)[-1]
    process.communicate(timeout=10)
    assert time.monotonic() - began < 5
    assert process.returncode == 0


def test_killed_it_leaves_a_broken_stream_and_starts_again_in_the_same_place(place: Process) -> None:
    process = place.start(LONG, drain_seconds=20)
    with place.asking() as rest:
        process.kill()
        with pytest.raises(httpx.RemoteProtocolError):
            list(rest)
    process.communicate(timeout=10)
    again = place.start(["It", " is"], drain_seconds=20)
    assert place.client.post("/v1/chat/completions", json=question()).status_code == 200
    again.send_signal(signal.SIGTERM)
    _, told = again.communicate(timeout=10)
    assert (again.returncode, told) == (0, "")
    found = verify(place.log)
    assert found.findings == []
    told, answered = [json.loads(line) for line in place.log.read_bytes().splitlines()]
    assert (told["event"], told["principal"], answered["event"], answered["status"]) == (
        "begun",
        "alice",
        "request",
        200,
    )
    assert told["request"] != answered["request"]
