"""A log that takes no line: a file system that is really full, and a disk that is slow."""

from __future__ import annotations

import contextlib
import fcntl
import json
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest

from service.ledger import Ledger, verify
from service.vision import audit
from tests.service.vision.running import Running
from tests.service.vision.scripted import ScriptedEngine
from tests.service.vision.test_metrics import figures

pytestmark = pytest.mark.long


class Small:
    """A file system of 256 KiB with an audit log, and a service that writes it."""

    def __init__(self, directory: Path, place: Path, audit_full: Literal["refuse", "continue"]) -> None:
        self.log = place / "audit.jsonl"
        self.ballast = place / "ballast"
        self.service = Running(directory, ScriptedEngine(), audit_log=self.log, audit_full=audit_full).start()

    def fill(self) -> None:
        """To the last byte, but for the end of the log's own page."""
        self.service.ask()
        with self.ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def lines(self, event: str) -> list[dict[str, Any]]:
        assert verify(self.log).findings == []
        found = [json.loads(line) for line in self.log.read_bytes().splitlines()]
        return [line for line in found if line["event"] == event]

    def told(self) -> tuple[int, int]:
        """Requests that the log calls lost, and of them those whose begun line it has."""
        gaps = self.lines("gap")
        return sum(gap["lost"] for gap in gaps), sum(gap["begun"] for gap in gaps)

    def unended(self) -> int:
        return len(
            {line["request"] for line in self.lines("begun")} - {line["request"] for line in self.lines("request")}
        )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", place], check=False).returncode:
        pytest.skip("may not mount a file system here")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def test_refuse_gives_no_answer_without_a_line(tmp_path: Path, place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small = Small(tmp_path, place, "refuse")
    service = small.service
    small.fill()
    answered = 1
    while (answer := service.ask()).status_code == 200:
        answered += 1
        assert answered < 100
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "audit_unavailable")
    assert answer.headers["retry-after"] == "5"
    assert "It is" not in answer.text
    refused = 2
    while (streamed := service.ask(stream=True)).status_code == 200:  # There was room for its shorter first line.
        assert "audit_unavailable" in streamed.text
        assert "[DONE]" not in streamed.text
        refused += 1
        assert refused < 10
    assert (streamed.status_code, streamed.json()["error"]["code"]) == (503, "audit_unavailable")
    assert streamed.headers["retry-after"] == "5"
    assert service.client.get("/v1/models").status_code == 503
    for path in ("/readyz", "/", "/page/style.css", "/metrics"):
        assert service.client.get(path).status_code == 200
    refused += 1
    assert len(small.lines("request")) == answered
    found = figures(service)
    assert found["audit_lost_lines_total"] == refused
    assert found["audit_failures_total"] == refused + 1, (
        "the stream's first line, and the one that would have closed it"
    )
    assert found['request_failures_total{code="audit_unavailable"}'] == refused
    small.ballast.unlink()
    assert service.ask().status_code == 200
    assert len(small.lines("request")) == answered + 1
    assert small.told() == (refused, small.unended())
    told = capsys.readouterr().err
    assert told.count("requests are refused") == 1
    assert told.count("takes lines again") == 1
    assert f"{refused} were lost" in told
    service.stop()


def test_continue_answers_counts_and_tells_the_log_later(
    tmp_path: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small = Small(tmp_path, place, "continue")
    service = small.service
    small.fill()
    asked = 1
    while not figures(service)["audit_lost_lines_total"]:
        assert service.ask().status_code == 200
        asked += 1
        assert asked < 100
    written = len(small.lines("request"))
    answers = [service.ask(stream=stream) for stream in (False, True, False)]
    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[1].text.endswith("data: [DONE]\n\n")
    assert service.client.get("/readyz").status_code == 200
    found = figures(service)
    assert found["audit_lost_lines_total"] == asked + 3 - written == 4
    assert found["audit_failures_total"] == 4 + 1 - small.unended()
    assert found['request_success_total{finished_reason="stop"}'] == asked + 3
    assert "answers go on without" in capsys.readouterr().err
    small.ballast.unlink()
    assert service.ask().status_code == 200
    assert small.told() == (4, small.unended())
    assert len(small.lines("request")) == written + 1
    assert "4 were lost" in capsys.readouterr().err
    service.stop()


def test_a_gap_is_told_of_at_the_end_at_the_latest(tmp_path: Path, place: Path) -> None:
    small = Small(tmp_path, place, "continue")
    small.fill()
    while not figures(small.service)["audit_lost_lines_total"]:
        small.service.ask()
    small.ballast.unlink()
    small.service.stop()
    assert small.told() == (1, 0)


def test_a_slow_disk_holds_up_no_other(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    append_all = Ledger.append_all

    def slow(self: Ledger, lines: Any) -> range:
        time.sleep(0.4)
        return append_all(self, lines)

    monkeypatch.setattr(Ledger, "append_all", slow)
    asking = [threading.Thread(target=service.ask) for _ in range(3)]
    began = time.monotonic()
    for one in asking:
        one.start()
    waited = []
    while any(one.is_alive() for one in asking):
        asked = time.monotonic()
        assert service.client.get("/healthz").status_code == 200
        waited.append(time.monotonic() - asked)
    assert time.monotonic() - began > 0.3, "it was slow"
    assert max(waited) < 0.3
    service.lines(3)


@contextlib.contextmanager
def hanging(log: Path) -> Iterator[None]:
    """As a disk that does not answer: the lock under which lines are written is held by somebody else."""
    with log.with_name(f"{log.name}.head").open("r+b") as head:
        fcntl.flock(head, fcntl.LOCK_EX)
        yield


@pytest.mark.parametrize("audit_full", ["refuse", "continue"])
def test_a_hanging_disk_is_a_full_one_after_a_while(
    tmp_path: Path, audit_full: Literal["refuse", "continue"], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PATIENCE", 0.5)
    service = Running(tmp_path, ScriptedEngine(), audit_full=audit_full).start()
    assert service.ask().status_code == 200
    with hanging(service.configuration.audit_log):
        began = time.monotonic()
        answers = [service.ask()]
        assert figures(service)["audit_lost_lines_total"] == 0, "nobody knows yet, and a counter never falls"
        assert 0.4 < time.monotonic() - began < 5
        began = time.monotonic()
        answers += [service.ask(), service.ask(stream=True)]
        assert time.monotonic() - began < 0.4, "what is known to hang is not waited for again"
        assert service.client.get("/readyz").status_code == 200
    if audit_full == "refuse":
        assert [answer.status_code for answer in answers] == [503] * 3
    else:
        assert [answer.status_code for answer in answers] == [200] * 3
        assert answers[2].text.endswith("data: [DONE]\n\n")
    service.lines(2)  # The line that hung has come after all.
    assert service.ask().status_code == 200
    service.lines(3)
    first, late, gap, last = service.every()
    assert [line["event"] for line in (first, late, gap, last)] == ["request", "request", "gap", "request"]
    assert (gap["lost"], gap["begun"]) == (2, 0)
    assert figures(service)["audit_lost_lines_total"] == 2
    service.stop()


def test_the_control_a_disk_that_answers_in_time_loses_nothing(tmp_path: Path) -> None:
    service = Running(tmp_path, ScriptedEngine(), audit_full="continue").start()
    assert service.ask().status_code == 200
    with hanging(service.configuration.audit_log):
        asking = threading.Thread(target=service.ask)
        asking.start()
        time.sleep(1.0)
        assert asking.is_alive(), "it waits for its line"
    asking.join(5)
    assert [line["event"] for line in service.lines(2)] == ["request", "request"]
    assert figures(service)["audit_lost_lines_total"] == 0
    service.stop()
