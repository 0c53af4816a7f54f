"""`python3 -m service.vision` as the container runs it: once, with everything that only a process can show."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from service.ledger import verify
from tests.service.vision.running import connect, question

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[3]
WATCHED = """
import os, sys
def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        print("wrote", arguments[0], file=sys.stderr, flush=True)
    elif event in ("os.mkdir", "socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system"):
        print("wrote", event, arguments, file=sys.stderr, flush=True)
sys.addaudithook(watch)
"""
"""As sitecustomize: the engine's process is watched too."""


FROZEN = """
import gc
from service.vision.__main__ import main
from service.vision.server import Server
Server.run = lambda self: print(gc.get_freeze_count(), len(gc.get_objects()))
main()
"""
"""In place of serving: how many objects no collection looks at any more, and how many are left for it."""


def environment(model: Path, directory: Path) -> dict[str, str]:
    settings = {
        "MODEL": model,
        "MODEL_NAME": "micro",
        "DEVICE": "cpu",
        "PRECISION": "fp32",
        "SOCKET": directory / "vision.sock",
        "AUDIT_LOG": directory / "audit.jsonl",
        "MAX_NEW_TOKENS": 64,
        "MAX_PIXELS": 1_300_000,
        "QUEUE": 8,
        "RELEASE": "0123456789ab",
    }
    given = {f"CASEMATE_VISION_{name}": str(value) for name, value in settings.items()}
    (directory / "tmp").mkdir()
    given |= {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "TMPDIR": str(directory / "tmp")}
    (directory / "watched").mkdir()
    (directory / "watched/sitecustomize.py").write_text(WATCHED)
    return given | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": f"{directory}/watched"}


def start(model: Path, directory: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "service.vision"]
    return subprocess.Popen(command, cwd=ROOT, env=environment(model, directory), stderr=subprocess.PIPE, text=True)


def ready(client: httpx.Client, process: subprocess.Popen[str]) -> bool:
    try:
        return process.poll() is not None or client.get("/readyz").status_code == 200
    except httpx.TransportError:
        return False


def test_it_starts_answers_writes_only_its_log_and_tmp_and_stops_when_told(checkpoint: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "vision.sock"))
    process = start(checkpoint, tmp_path)
    with connect(tmp_path / "vision.sock", timeout=30) as client:
        deadline = time.monotonic() + 60
        while not ready(client, process) and time.monotonic() < deadline:
            time.sleep(0.1)
        answers = [
            client.post("/v1/chat/completions", json={**question(), "seed": 1, "max_tokens": 8}) for _ in range(2)
        ]
        assert [answer.status_code for answer in answers] == [200, 200]
        first, second = (answer.json()["choices"] for answer in answers)
        assert first == second
        assert "server" not in answers[0].headers
    process.send_signal(signal.SIGTERM)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 0, told
    assert not (tmp_path / "vision.sock").exists()
    places = (f"wrote {tmp_path}/audit.jsonl", f"wrote {tmp_path}/tmp/", f"wrote os.mkdir ('{tmp_path}/tmp/")
    others = [line for line in told.splitlines() if not line.startswith(places)]
    assert len(others) == 1
    assert others[0].startswith("wrote subprocess.Popen")
    assert "service.vision.engine" in others[0]
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_bytes().splitlines()]
    assert [(line["status"], line["release"], line["tokens_out"] > 0) for line in lines] == [
        (200, "0123456789ab", True)
    ] * 2
    assert verify(tmp_path / "audit.jsonl").findings == []


def test_a_model_that_is_no_good_is_exit_1_and_the_last_line_says_why(checkpoint: Path, tmp_path: Path) -> None:
    model = shutil.copytree(checkpoint, tmp_path / "model")
    index = {"weight_map": {"lm_head.weight": "model-00002-of-00002.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    process = start(model, tmp_path)
    _, told = process.communicate(timeout=90)
    assert process.returncode == 1
    last = told.splitlines()[-1]
    assert last == f"{model}: model-00002-of-00002.safetensors is missing; next: casemate release verify"
    assert "Traceback" not in told


def test_no_collection_of_garbage_goes_through_what_was_loaded(checkpoint: Path, tmp_path: Path) -> None:
    """It would stop the event loop, and all streams with it, for tens of milliseconds."""
    given = environment(checkpoint, tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", FROZEN], cwd=ROOT, env=given, capture_output=True, text=True, check=True
    )
    frozen, left = map(int, done.stdout.split())
    assert frozen > 30_000
    assert left < 1_000
