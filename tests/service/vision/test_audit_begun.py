"""The line before the first word of a stream, where the log takes it, takes it late, or not at all."""

from __future__ import annotations

import io
import json
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.ledger import Ledger, LedgerError
from service.vision import audit
from service.vision.entry import Entry
from tests.service.vision.running import Running, question, until
from tests.service.vision.scripted import ScriptedEngine
from tests.service.vision.test_audit_disk import hanging
from tests.service.vision.test_metrics import figures

append_all = Ledger.append_all


def full_for(*events: str) -> Callable[[Ledger, Any], range]:
    """In place of `Ledger.append_all`: takes no lines of these kinds."""

    def append_others(self: Ledger, lines: Any) -> range:
        if any(fields["event"] in events for fields in lines):
            raise LedgerError("disk full")
        return append_all(self, lines)

    return append_others


def test_it_tells_what_is_known_by_then(service: Running, engine: ScriptedEngine) -> None:
    engine.script = ["It", 0.3, " is"]
    with service.client.stream("POST", "/v1/chat/completions", json={**question(), "stream": True}) as answer:
        parts = answer.iter_bytes()
        next(parts)
        (begun,) = service.every()
        assert b"[DONE]" in b"".join(parts)
    (closing,) = service.lines(1)
    own = {"seq", "time", "prev", "mac", "event", "seconds"}
    assert set(closing) - set(begun) == {"tokens_out", "response_length", "finish", "reason", "status"}
    assert {name: begun[name] for name in set(begun) - own} == {name: closing[name] for name in set(begun) - own}
    assert (begun["event"], list(begun["seconds"])) == ("begun", ["body", "pictures"])
    assert (begun["text"], begun["pictures"], begun["stream"]) != (None, [], False)


def test_without_it_there_is_no_word_and_no_generation(
    service: Running, engine: ScriptedEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost, failures = service.serving.auditor.lost, service.serving.auditor.failures
    told = io.StringIO()
    monkeypatch.setattr(sys, "stderr", told)
    monkeypatch.setattr(Ledger, "append_all", full_for("begun"))
    refused = service.ask(stream=True)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "audit_unavailable")
    assert refused.headers["content-type"] == "application/json"
    until(lambda: service.serving.admission.inside == 0)
    assert [(one.said, one.cancelled) for one in engine.generations] == [(0, True)]
    assert service.ask().status_code == 200
    (line, _) = service.lines(2)
    assert (line["status"], line["reason"], line["finish"]) == (503, "audit_unavailable", None)
    assert (service.serving.auditor.lost, service.serving.auditor.failures) == (lost, failures + 1)
    assert len(told.getvalue().splitlines()) == 2, "it began, and it ended: that is no fault of ours to trace"


def test_a_stream_that_cannot_be_closed_has_no_end(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = service.serving.auditor.lost
    monkeypatch.setattr(Ledger, "append_all", full_for("request"))
    cut = service.ask(stream=True)
    assert (cut.status_code, "It" in cut.text, "[DONE]" in cut.text) == (200, True, False)
    assert "audit_unavailable" in cut.text.splitlines()[-2]
    monkeypatch.undo()
    service.ask()
    begun, gap, _ = service.every()
    assert (begun["event"], gap["event"], gap["lost"], gap["begun"]) == ("begun", "gap", 1, 1)
    assert service.serving.auditor.lost == lost + 1


def test_who_goes_on_without_it_counts_each_request_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = Running(tmp_path, ScriptedEngine(), audit_full="continue").start()
    try:
        monkeypatch.setattr(Ledger, "append_all", full_for("begun"))
        assert service.ask(stream=True).text.endswith("data: [DONE]\n\n")
        assert (figures(service)["audit_failures_total"], figures(service)["audit_lost_lines_total"]) == (1, 0)
        monkeypatch.setattr(Ledger, "append_all", full_for("begun", "request", "gap"))
        assert service.ask(stream=True).text.endswith("data: [DONE]\n\n")
        assert (figures(service)["audit_failures_total"], figures(service)["audit_lost_lines_total"]) == (3, 1)
        monkeypatch.undo()
        service.ask()
        told = [(line["event"], line.get("lost"), line.get("begun")) for line in service.every()]
        assert told == [("request", None, None), ("gap", 1, 0), ("request", None, None)]
    finally:
        service.stop()


def test_a_line_that_nobody_waits_for_any_more_is_not_begun_with(service: Running) -> None:
    """It is counted as lost by then."""
    line = Entry("request-1", None, None, None, "POST")
    line.ended.given_up = True
    service.serving.auditor._append([audit._Line(line, line.ended, {"event": "request"})])
    assert service.every() == []


@pytest.mark.long
def test_it_is_written_though_its_client_leaves_while_the_disk_hangs(service: Running, engine: ScriptedEngine) -> None:
    """The first one is being written, and the second one waits behind it."""
    service.ask()
    service.forget()
    with hanging(service.configuration.audit_log):
        clients = []
        for number in (1, 2):
            clients.append(service.send(json.dumps({**question(), "stream": True}).encode()))
            until(lambda number=number: len(engine.generations) == 1 + number)  # type: ignore[misc]
        time.sleep(0.2)
        for client in clients:
            client.close()
        until(lambda: service.serving.admission.inside == 0)
    lines = service.lines(2)
    assert [(line["status"], line["reason"]) for line in lines] == [(499, "cancelled")] * 2
    first, second = (line["request"] for line in lines)
    told = [(one["event"], one["request"]) for one in service.every()]
    assert told == [("begun", first), ("begun", second), ("request", first), ("request", second)]
    assert [one.said for one in engine.generations] == [3, 0, 0]
    assert {(*one["seconds"],) for one in service.every()} == {("body", "pictures"), ("body", "pictures", "total")}


@pytest.mark.long
@pytest.mark.parametrize("audit_full", ["refuse", "continue"])
def test_one_that_comes_late_is_told_of_in_the_gap(
    tmp_path: Path, audit_full: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit, "PATIENCE", 0.3)
    service = Running(tmp_path, ScriptedEngine(), audit_full=audit_full).start()
    try:
        service.ask()
        service.forget()
        with hanging(service.configuration.audit_log):
            status = service.ask(stream=True).status_code
        assert status == (503 if audit_full == "refuse" else 200)
        until(lambda: len(service.every()) == 1)
        service.ask()
        begun, gap, last = service.every()
        assert [line["event"] for line in (begun, gap, last)] == ["begun", "gap", "request"]
        assert (gap["lost"], gap["begun"]) == (1, 1)
        assert begun["request"] != last["request"]
        assert figures(service)["audit_lost_lines_total"] == 1
    finally:
        service.stop()


def test_a_line_that_hangs_and_then_fails_is_lost_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audit, "PATIENCE", 0.1)
    service = Running(tmp_path, ScriptedEngine()).start()
    go_on = threading.Event()

    def failing(*_: object) -> range:
        assert go_on.wait(20)
        raise LedgerError("an input or output error, after a while")

    try:
        with monkeypatch.context() as patched:
            patched.setattr(Ledger, "append_all", failing)
            assert service.ask().status_code == 503
            assert figures(service)["audit_lost_lines_total"] == 0
            go_on.set()
            until(lambda: figures(service)["audit_lost_lines_total"] == 1)
        assert service.ask().status_code == 200
        assert [(line["event"], line.get("lost")) for line in service.every()] == [("gap", 1), ("request", None)]
    finally:
        service.stop()
