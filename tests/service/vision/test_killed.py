"""SIGKILL at random moments under load: no word without a line, and no whole answer without the one that closes it."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import httpx
import pytest

from service.ledger import verify
from tests.service.vision.running import connect, question

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[3]
ROUNDS, CLIENTS = 24, 6


class Killable:
    """Services that follow each other on one log."""

    def __init__(self, directory: Path, *how: str) -> None:
        self.directory = directory
        self.told: set[str] = set()
        self.whole: list[str] = []
        command = [sys.executable, "-m", "tests.service.vision.killable", str(directory), *how]
        self.parent = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def start(self) -> int:
        assert self.parent.stdin
        assert self.parent.stdout
        self.parent.stdin.write("another\n")
        self.parent.stdin.flush()
        return int(self.parent.stdout.readline())

    def kill(self, pid: int) -> None:
        assert self.parent.stdout
        os.kill(pid, signal.SIGKILL)
        assert int(self.parent.stdout.readline()) == signal.SIGKILL

    def round(self, seconds: float) -> None:
        """Start it, ask from all sides, kill it."""
        pid = self.start()
        self.ask(stream=False, once=True)  # The first one takes long: what follows is killed in all of its parts.
        askers = [threading.Thread(target=self.ask, args=(number % 2 == 0,)) for number in range(CLIENTS)]
        for asker in askers:
            asker.start()
        time.sleep(seconds)
        self.kill(pid)
        for asker in askers:
            asker.join()

    def ask(self, stream: bool, once: bool = False) -> None:
        """Ask until nobody answers, and keep the ids of answers that began, and of those that came whole."""
        with connect(self.directory / "vision.sock") as client:
            while True:
                try:
                    with client.stream("POST", "/v1/chat/completions", json={**question(), "stream": stream}) as answer:
                        self.told.add(answer.headers["x-request-id"])
                        for line in answer.iter_lines():  # What came before the connection broke counts.
                            if line == "data: [DONE]" or (not stream and json.loads(line)["choices"]):
                                self.whole.append(answer.headers["x-request-id"])
                except httpx.TransportError:
                    return
                if once:
                    return

    def lines(self, event: str) -> Counter[str]:
        """How many lines of this kind each request has."""
        log = self.directory / "audit.jsonl"
        found = [json.loads(line) for line in log.read_bytes().splitlines()]
        return Counter(line["request"] for line in found if line["event"] == event)


def rounds(killable: Killable, count: int) -> None:
    moments = random.Random(1)
    for _ in range(count):
        killable.round(moments.uniform(0.0, 0.25))
        findings = verify(killable.directory / "audit.jsonl").findings
        assert {finding.kind for finding in findings} <= {"torn"}


def test_no_word_is_without_a_line(tmp_path: Path) -> None:
    killable = Killable(tmp_path)
    rounds(killable, ROUNDS // 2)
    with (tmp_path / "audit.jsonl").open("ab") as log:
        log.write(b'{"seq":1,"time":"2026')  # What a kill in the middle of a write leaves.
    rounds(killable, ROUNDS // 2)
    pid = killable.start()
    killable.ask(stream=False, once=True)
    killable.kill(pid)
    begun, closed = killable.lines("begun"), killable.lines("request")
    assert len(killable.whole) > 2 * ROUNDS
    assert set(killable.whole) <= set(closed)
    assert killable.told <= set(begun) | set(closed)
    assert len(killable.told - set(closed)) > ROUNDS, "many were cut in the middle"
    assert set(begun.values()) == set(closed.values()) == {1}
    verdict = verify(tmp_path / "audit.jsonl")
    assert (verdict.findings, verdict.lines) == ([], len(begun) + len(closed))
    assert b'"torn":21' in (tmp_path / "audit.jsonl").read_bytes()
    killable.parent.terminate()


def test_a_service_that_wrote_its_lines_afterwards_would_lose_some(tmp_path: Path) -> None:
    """The control of the test before."""
    killable = Killable(tmp_path, "late")
    for _ in range(5):
        killable.round(0.25)
    assert set(killable.whole) - set(killable.lines("request"))
    assert killable.told - set(killable.lines("begun")) - set(killable.lines("request"))
    killable.parent.terminate()
