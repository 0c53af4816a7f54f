"""One line on every way out, and what must never be in it."""

import hashlib
import hmac
import io
import json
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from service.ledger import Ledger, LedgerError
from service.vision.audit import summary
from service.vision.conversation import Turn
from service.vision.engine.protocol import JobFailed
from tests.service.vision.running import Running, part, picture, question, until, user
from tests.service.vision.scripted import ScriptedEngine

ROOT = Path(__file__).resolve().parents[3]
SECRET = "correct-horse-battery"


def gone(service: Running, engine: ScriptedEngine, **changes: Any) -> dict[str, Any]:
    """Ask, wait until the engine is at work, leave; the line that this left."""
    connection = service.send(json.dumps({**question(), **changes}).encode())
    until(lambda: bool(engine.generations and engine.generations[-1].said), 5)
    connection.close()
    (line,) = service.lines(1)
    return line


def test_an_answered_request(service: Running, engine: ScriptedEngine) -> None:
    engine.script = ["<think>hm</think>", "It is", " red."]
    file = picture("red", (30, 20))
    response = service.ask(messages=[user(part(file), SECRET)], user="customer-7")
    (line,) = service.lines(1)
    assert line | {"seconds": {}, "seq": 0, "time": "", "prev": "", "mac": ""} == {
        "event": "request",
        "request": response.headers["x-request-id"],
        "principal": "alice",
        "key_id": "alice-1",
        "client": "192.0.2.7",
        "method": "POST",
        "route": "/v1/chat/completions",
        "stream": False,
        "model": "micro",
        "release": "r1",
        "status": 200,
        "finish": "stop",
        "reason": None,
        "text": line["text"],
        "text_length": len(SECRET),
        "user": line["user"],
        "pictures": [{"sha256": hashlib.sha256(file).hexdigest(), "width": 30, "height": 20}],
        "tokens_in": 7,
        "tokens_out": 3,
        "response_length": len("hm") + len("It is red."),
        "seconds": {},
        "seq": 0,
        "time": "",
        "prev": "",
        "mac": "",
    }
    assert list(line["seconds"]) == ["body", "pictures", "first_token", "total"]
    key_file = service.configuration.audit_log.with_name("audit.jsonl.text-key")
    assert stat.S_IMODE(key_file.stat().st_mode) == 0o400
    texts = json.dumps([["user", SECRET]]).encode()
    assert line["text"] == hmac.new(bytes.fromhex(key_file.read_text()), texts, hashlib.sha256).hexdigest()
    assert len(line["user"]) == 64


@pytest.mark.parametrize("stream", [False, True])
def test_no_prompt_no_picture_no_key_and_no_answer(service: Running, engine: ScriptedEngine, stream: bool) -> None:
    engine.script = ["tell ", SECRET]
    service.client.headers["authorization"] = f"Bearer {SECRET}"
    try:
        service.ask(messages=[user(part(), SECRET)], stream=stream, user=SECRET)
        service.ask(messages=[user(part(SECRET.encode()))])
        service.ask(**{SECRET: 1})
        service.client.get(f"/{SECRET}?api_key={SECRET}")
        service.client.request(SECRET.upper(), "/v1/models")
    finally:
        del service.client.headers["authorization"]
    service.lines(5)
    assert SECRET not in service.configuration.audit_log.read_text().lower()


def test_every_refusal_leaves_a_line(service: Running, engine: ScriptedEngine) -> None:
    service.ask(b"{")
    service.ask(tools=[{}])
    service.ask(model="gpt-4o")
    service.ask(messages=[user(part(b"no picture"))])
    service.client.get("/nothing")
    service.client.get("/v1/chat/completions")
    engine.script = [JobFailed("no memory", "out_of_memory", again=False)]
    service.ask()
    service.ask(stream=True)
    engine.state = "loading"
    service.ask()
    assert [(line["status"], line["reason"]) for line in service.lines(9)] == [
        (400, "invalid_json"),
        (400, "unsupported_parameter"),
        (404, "model_not_found"),
        (400, "image_unreadable"),
        (404, "not_found"),
        (405, "method_not_allowed"),
        (500, "out_of_memory"),
        (200, "out_of_memory"),
        (503, "engine_loading"),
    ]


def test_probes_leave_none(service: Running) -> None:
    assert service.client.get("/healthz").status_code == 200
    assert service.client.get("/readyz").status_code == 200
    service.client.get("/v1/models")
    assert [line["route"] for line in service.lines(1)] == ["/v1/models"]


def test_an_unexpected_failure_leaves_a_line_and_tells_nothing(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError(SECRET)

    monkeypatch.setattr(service.serving.reader, "check", broken)
    told = io.StringIO()  # Not capsys: what another thread writes while `readouterr` empties it is lost.
    monkeypatch.setattr(sys, "stderr", told)
    response = service.ask()
    assert (response.status_code, SECRET in response.text) == (500, False)
    assert response.json()["error"]["code"] == "internal_error"
    assert service.serving.admission.inside == 0
    (line,) = service.lines(1)
    assert (line["status"], line["reason"]) == (500, "internal_error")
    until(lambda: "check(asked)" in told.getvalue(), 5)  # It is told after the answer is out.
    assert "builtins.ValueError" in told.getvalue()
    assert "serving.reader.check(asked)" in told.getvalue()
    assert SECRET not in told.getvalue()


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_is_noticed_and_its_work_is_dropped(
    service: Running, engine: ScriptedEngine, stream: bool
) -> None:
    engine.script = ["word", *(0.02, "more") * 200]
    line = gone(service, engine, stream=stream)
    assert (line["status"], line["reason"], line["tokens_in"]) == (499, "cancelled", 7)
    assert line["tokens_out"] < 100
    assert engine.generations[-1].cancelled
    assert service.serving.admission.inside == 0


def test_a_client_that_does_not_read_is_cut(tmp_path: Path) -> None:
    engine = ScriptedEngine(script=["x" * 100_000] * 100)
    running = Running(tmp_path, engine, send_seconds=0.2).start()
    try:
        connection = running.send(json.dumps({**question(), "stream": True}).encode())
        (line,) = running.lines(1)
        assert (line["status"], line["reason"]) == (499, "cancelled")
        assert engine.generations[0].said < 100
        assert running.serving.admission.inside == 0
        connection.close()
    finally:
        running.stop()


def test_a_client_that_leaves_while_sending(service: Running) -> None:
    service.send(b'{"model": ', length=1000).close()
    (line,) = service.lines(1)
    assert (line["status"], line["reason"]) == (499, "cancelled")
    assert service.serving.admission.inside == 0


def test_of_a_long_text_no_more_is_looked_at_than_is_kept() -> None:
    """Against a look at all of it, as the control."""
    text = "a \x1b" * 1_000_000
    began = time.process_time()
    assert all(char.isprintable() for char in text.replace("\x1b", " "))
    all_of_it = time.process_time() - began
    began = time.process_time()
    assert summary([Turn("user", (text,))], 40) == " ".join("a" * 20) + " "
    assert time.process_time() - began < all_of_it / 4


def test_the_line_is_written_before_the_answer_is_out(service: Running) -> None:
    for _ in range(20):
        asked = service.ask()
        assert service._log()[-1].find(asked.headers["x-request-id"].encode()) > 0


def test_a_log_that_takes_no_line_gives_no_answer(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> range:
        raise LedgerError("disk full")

    monkeypatch.setattr(Ledger, "append_all", full)
    for response in (service.ask(), service.ask(stream=True)):
        assert (response.status_code, response.json()["error"]["code"]) == (503, "audit_unavailable")
        assert response.headers["retry-after"] == "5"
        assert "It" not in response.text
    monkeypatch.undo()
    assert service.ask().status_code == 200


def test_two_services_may_begin_one_log_together(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from service.vision.digests import Digests\n"
        "print(Digests(Path(sys.argv[1])).of('text'))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "audit.jsonl")]
    both = [subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    first, second = (process.communicate()[0].strip() for process in both)
    assert first == second
    assert len(first) == 64
    assert sorted(path.name for path in tmp_path.iterdir()) == ["audit.jsonl.text-key"]


def test_request_ids_are_nginx_s_or_made(service: Running) -> None:
    given = service.client.get("/v1/models", headers={"x-request-id": "abcdef0123456789"})
    assert given.headers["x-request-id"] == "abcdef0123456789"
    forged = service.client.get("/v1/models", headers={"x-request-id": "a b\\n"})
    assert len(forged.headers["x-request-id"]) == 32
    assert next(line["request"] for line in service.lines(2)) == "abcdef0123456789"


def test_no_text_is_kept_unless_the_operator_chose_it(service: Running, tmp_path: Path) -> None:
    service.ask(messages=[user(part(), SECRET)])
    (line,) = service.lines(1)
    assert "summary" not in line
    running = Running(tmp_path, ScriptedEngine(), audit_text=40).start()
    try:
        earlier = [user("first"), {"role": "assistant", "content": "an answer"}]
        nasty = "What\n\tis \x1b[31mred\u202e?\u0000 csm_alice_" + "x" * 43 + " " + SECRET * 9
        running.ask(messages=[*earlier, user(part(), nasty)])
        running.ask(b"{")
        answered, refused = running.lines(2)
    finally:
        running.stop()
    assert answered["summary"] == f"What is [31mred ? csm_... {SECRET}"[:40]
    assert len(answered["text"]) == 64
    assert "summary" not in refused
