"""The gate as a process on its socket."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx

from service.gate.keys import new_key
from tests.service.gate.test_application import write

ROOT = Path(__file__).resolve().parents[3]


def start(directory: Path) -> subprocess.Popen[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "CASEMATE_GATE_KEYS": str(directory / "keys.json"),
        "CASEMATE_GATE_SOCKET": str(directory / "gate.sock"),
        "CASEMATE_GATE_LOG": str(directory / "gate.jsonl"),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "service.gate"], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code == 200
    except httpx.TransportError:
        return False


def test_it_takes_over_a_stale_socket_answers_and_stops_when_told(tmp_path: Path) -> None:
    key = new_key("demo")
    write(tmp_path / "keys.json", {"demo": key})
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(tmp_path / "gate.sock"))
    process = start(tmp_path)
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(tmp_path / "gate.sock")), base_url="http://gate") as client:
        deadline = time.monotonic() + 20
        while not answers(client) and time.monotonic() < deadline:
            time.sleep(0.05)
        headers = {"authorization": f"Bearer {key}", "x-original-method": "GET", "x-original-uri": "/v1/models"}
        response = client.get("/verify", headers=headers)
        assert response.status_code == 204
        assert "server" not in response.headers
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0
    assert not (tmp_path / "gate.sock").exists()


def test_missing_variables_are_named() -> None:
    command = [sys.executable, "-m", "service.gate"]
    result = subprocess.run(command, cwd=ROOT, env={"CASEMATE_GATE_LOG": "x"}, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr == "CASEMATE_GATE_KEYS, CASEMATE_GATE_SOCKET: missing, expected the path of a file\n"
