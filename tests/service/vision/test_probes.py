"""/healthz, /readyz, /openapi.json and the end."""

import json
import re
import threading
import time
from pathlib import Path

import httpx
import pytest

from service.vision.engine.protocol import EngineUnusable
from tests.service.vision.running import Running, question, until
from tests.service.vision.scripted import ScriptedEngine


@pytest.mark.parametrize(
    ("state", "beat", "healthy", "ready"),
    [
        ("ready", 0.0, 200, 200),
        ("loading", 0.0, 200, 503),
        ("ready", 301.0, 503, 503),
        ("failed", 0.0, 503, 503),
        ("stopping", 0.0, 200, 503),
    ],
)
def test_states(service: Running, engine: ScriptedEngine, state: str, beat: float, healthy: int, ready: int) -> None:
    engine.state, engine.beat = state, beat
    assert service.client.get("/healthz").status_code == healthy
    assert service.client.get("/readyz").status_code == ready
    asked = service.ask()
    assert asked.status_code == (200 if ready == 200 else 503)
    assert ready == 200 or asked.headers["retry-after"] == "5"


def test_an_engine_without_a_sign_of_life_is_named_and_ready_again_after_one(
    service: Running, engine: ScriptedEngine
) -> None:
    engine.beat = 301.0
    said = service.client.get("/readyz").json()["error"]
    assert (said["code"], said["message"]) == ("engine_stuck", "the engine gave no sign of life for 301 s")
    engine.beat = 299.0
    assert (service.client.get("/readyz").status_code, service.ask().status_code) == (200, 200)


def test_the_description_names_every_field_and_answer(service: Running) -> None:
    described = service.client.get("/openapi.json").json()
    chat = described["paths"]["/v1/chat/completions"]["post"]
    assert set(chat["responses"]) >= {"200", "400", "401", "404", "408", "413", "429", "500", "503"}
    assert chat["requestBody"]["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ChatRequest"}
    schemas = described["components"]["schemas"]
    named = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(described)))
    assert named <= set(schemas)
    schema = schemas["ChatRequest"]
    assert schema["additionalProperties"] is False
    assert {"model", "messages", "stop", "thinking"} <= set(schema["properties"])


class Broken(ScriptedEngine):
    async def start(self) -> None:
        raise EngineUnusable("the model is missing; next: mount it")


def test_an_engine_that_cannot_start_ends_the_process_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    running = Running(tmp_path, Broken()).start()
    running.thread.join(10)
    assert not running.thread.is_alive()
    assert running.serving.failure == "the model is missing; next: mount it"
    assert "the model is missing" in capsys.readouterr().err


def told_to_stop(running: Running) -> None:
    running.server.handle_exit(15, None)


def test_after_sigterm_running_answers_end_and_new_ones_are_turned_away(tmp_path: Path) -> None:
    engine = ScriptedEngine(script=["a", 0.6, "b"])
    running = Running(tmp_path, engine).start()
    answers: list[httpx.Response] = []
    asker = threading.Thread(target=lambda: answers.append(running.ask(stream=True)))
    asker.start()
    until(lambda: bool(engine.generations))
    told_to_stop(running)
    assert running.client.get("/readyz").status_code == 503
    assert running.client.get("/healthz").status_code == 200
    turned_away = running.ask()
    assert (turned_away.status_code, turned_away.json()["error"]["code"]) == (503, "stopping")
    running.thread.join(10)
    asker.join()
    assert not running.thread.is_alive()
    assert answers[0].text.endswith("data: [DONE]\n\n")
    assert engine.state == "stopping"


def test_at_the_deadline_running_answers_are_cut(tmp_path: Path) -> None:
    engine = ScriptedEngine(script=["a", 60.0, "b"])
    running = Running(tmp_path, engine, drain_seconds=0.3).start()
    body = {**question(), "stream": True}
    with running.connect() as client, client.stream("POST", "/v1/chat/completions", json=body) as answer:
        parts = answer.iter_bytes()
        next(parts)
        began = time.monotonic()
        told_to_stop(running)
        assert b'"code":"stopping"' in list(parts)[-1]
        assert 0.3 < time.monotonic() - began < 3
    running.thread.join(10)
    assert not running.thread.is_alive()
    (line,) = running.lines(1)
    assert (line["status"], line["reason"]) == (200, "stopping")


def test_a_service_whose_engine_is_lost_ends(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = ScriptedEngine()
    running = Running(tmp_path, engine).start()
    assert running.client.get("/readyz").status_code == 200
    engine.lost = "the engine died three times; next: dmesg"
    running.thread.join(10)
    assert not running.thread.is_alive()
    assert running.serving.failure == engine.lost
    assert capsys.readouterr().err.splitlines()[-1] == engine.lost
