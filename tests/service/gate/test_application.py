"""The answers of the gate, and what it writes down."""

import asyncio
import json
import os
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.gate.application import Gate
from service.gate.keys import digest, new_key
from service.gate.refusals import Refusals
from service.gate.register import Register
from service.ledger import Ledger, verify

KEY, OTHER = new_key("demo"), new_key("other")
CHAT = {"x-original-method": "POST", "x-original-uri": "/v1/chat/completions", "x-real-ip": "192.0.2.7"}


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    write(path, {"demo": KEY})
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "gate.jsonl"


@pytest.fixture
def gate(keys: Path, log: Path) -> Gate:
    return Gate(Register(keys), Refusals(Ledger(log)))


def write(path: Path, keys: Mapping[str, str]) -> None:
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"keys": [{"id": name, "sha256": digest(key)} for name, key in keys.items()]}))
    new.replace(path)


async def ask(gate: Gate, path: str = "/verify", method: str = "GET", **headers: str) -> httpx.Response:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url="http://gate") as client:
        return await client.request(
            method, path, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )


def run(answer: Coroutine[Any, Any, httpx.Response]) -> httpx.Response:
    return asyncio.run(answer)


def verified(gate: Gate, key: str | None = KEY, **headers: str) -> httpx.Response:
    authorization = {} if key is None else {"authorization": f"Bearer {key}"}
    return run(ask(gate, **{**CHAT, **authorization, **headers}))


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_bytes().splitlines()] if log.exists() else []


def test_a_known_key_enters_by_name(gate: Gate, log: Path) -> None:
    response = verified(gate)
    assert (response.status_code, response.headers["x-auth-principal"], response.headers["x-auth-key-id"]) == (
        204,
        "demo",
        "demo",
    )
    assert "content-length" not in response.headers
    assert lines(log) == []


@pytest.mark.parametrize(
    ("key", "reason", "claimed"),
    [
        (None, "no-key", None),
        ("", "malformed-key", None),
        ("secret", "malformed-key", None),
        (KEY[:-1], "malformed-key", None),
        (OTHER, "unknown-key", "other"),
    ],
)
def test_refused_and_written_down_without_the_key(
    gate: Gate, log: Path, key: str | None, reason: str, claimed: str | None
) -> None:
    response = verified(gate, key)
    assert (response.status_code, response.headers["x-auth-reason"]) == (401, reason)
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert "x-auth-principal" not in response.headers
    (line,) = lines(log)
    assert (line["reason"], line["key_id"], line["client"], line["status"]) == (reason, claimed, "192.0.2.7", 401)
    assert not key or key not in log.read_text()
    assert verify(log).findings == []


def test_other_schemes_are_no_key(gate: Gate) -> None:
    assert verified(gate, None, authorization=f"Basic {KEY}").headers["x-auth-reason"] == "malformed-key"
    assert verified(gate, None, authorization=f"bearer  {KEY} ").status_code == 204


@pytest.mark.parametrize(
    ("method", "uri", "status"),
    [
        ("GET", "/v1/models", 204),
        ("POST", "/v1/chat/completions?x=1", 204),
        ("GET", "/v1/models/glm-4v", 204),
        ("GET", "/v1/models/zai-org%2FGLM-4.6V-Flash", 204),
        ("GET", "/v1/models/llava:13b", 204),
        ("POST", "/v1/models/zai-org%2FGLM-4.6V-Flash", 403),
        ("GET", "/v1/models/..%2Fmetrics", 403),
        ("GET", "/v1/models/%2e%2e/metrics", 403),
        ("GET", "/v1%2Fmodels", 403),
        ("DELETE", "/v1/models", 403),
        ("GET", "/", 403),
        ("GET", "/metrics", 204),
        ("GET", "/metrics/sentinel", 204),
        ("POST", "/metrics/sentinel", 403),
        ("GET", "/metrics/sentinel/", 403),
        ("GET", "/metrics/sentinel/x", 403),
        ("POST", "/metrics", 403),
        ("GET", "/metrics/", 403),
        ("GET", "/metrics/x", 403),
        ("GET /v1/x", "/metrics", 403),
        ("POST", "/v1/x GET /metrics", 403),
        ("POST", "/v1/../metrics", 403),
        ("POST", "/v1/..;/metrics", 403),
        ("POST", "/v1/%2e%2e/metrics", 403),
        ("", "", 403),
    ],
)
def test_scope(gate: Gate, log: Path, method: str, uri: str, status: int) -> None:
    response = verified(gate, **{"x-original-method": method, "x-original-uri": uri})
    assert response.status_code == status
    assert [line["reason"] for line in lines(log)] == ([] if status == 204 else ["outside-scope"])
    assert response.headers.get("x-auth-principal") == ("demo" if status == 204 else None)


@pytest.mark.parametrize(("method", "path"), [("POST", "/verify"), ("GET", "/"), ("GET", "/verify/"), ("GET", "/keys")])
def test_all_else_is_not_there(gate: Gate, method: str, path: str) -> None:
    assert run(ask(gate, path, method)).status_code == 404


def test_a_changed_file_counts_at_once(gate: Gate, keys: Path) -> None:
    assert verified(gate, OTHER).status_code == 401
    write(keys, {"other": OTHER})
    assert (verified(gate, OTHER).status_code, verified(gate, KEY).status_code) == (204, 401)


def test_a_change_of_the_same_size_and_time_counts_too(gate: Gate, keys: Path) -> None:
    assert verified(gate, KEY).status_code == 204
    before = keys.stat()
    write(keys, {"demo": new_key("demo")})
    os.utime(keys, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert keys.stat().st_size == before.st_size
    assert verified(gate, KEY).status_code == 401


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "{",
        "[" * 100_000,
        "[]",
        '{"keys": {}}',
        '{"keys": [{"id": "demo"}]}',
        '{"keys": [{"id": "Demo", "sha256": "%s"}]}' % ("0" * 64),
        '{"keys": [{"id": "demo", "sha256": "00"}]}',
        '{"keys": [{"id": "demo", "sha256": "%s", "x": 1}]}' % ("0" * 64),
    ],
)
def test_a_missing_or_broken_file_lets_nobody_in_and_health_says_why(
    gate: Gate, keys: Path, content: str | None
) -> None:
    assert verified(gate).status_code == 204
    keys.unlink() if content is None else keys.write_text(content)
    response = verified(gate)
    assert (response.status_code, response.headers["x-auth-reason"]) == (401, "keys-unavailable")
    health = run(ask(gate, "/healthz"))
    assert health.status_code == 503
    assert "keys.json" in health.json()["reason"]
    write(keys, {"demo": KEY})
    assert verified(gate).status_code == 204
    assert run(ask(gate, "/healthz")).json() == {"status": "ok", "keys": 1}


def test_guessing_does_not_fill_the_disk(gate: Gate, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("service.gate.refusals.time.monotonic", lambda: now)
    for _ in range(70):
        verified(gate, OTHER)
    assert len(lines(log)) == 50
    now = 101.0
    verified(gate, OTHER)
    assert lines(log)[-1]["not_written"] == 20


def test_a_log_that_takes_no_line_changes_no_answer(gate: Gate, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    verified(gate, OTHER)
    log.unlink()
    log.mkdir()
    assert verified(gate, OTHER).status_code == 401
    assert "no line could be added" in capsys.readouterr().err
