"""Who gets in, and as whom."""

from typing import Any

import pytest

GOOD = {"Authorization": "Bearer good"}
GUARDED = [
    ("POST", "/v1/chat/completions"),
    ("GET", "/v1/models"),
    ("GET", "/v1/models/glm-4v"),
    ("GET", "/index.html"),
    ("GET", "/metrics"),
    ("GET", "/v1/files"),
    ("PUT", "/x"),
]


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize("key", [{}, {"Authorization": "Bearer bad"}, {"Authorization": "Basic good"}])
def test_nothing_is_answered_without_a_key(door: Any, method: str, path: str, key: dict[str, str]) -> None:
    before = len(door.seen("vision"))
    answer = door.request(method, path, key)
    assert (answer.status, answer.code) == (401, "invalid_api_key")
    assert answer.headers["www-authenticate"] == 'Bearer realm="casemate"'
    assert len(door.seen("vision")) == before


def test_a_missing_key_is_told_from_a_wrong_one(door: Any) -> None:
    assert "Bearer KEY" in door.get("/v1/models", {}).json["error"]["message"]
    assert "refused" in door.get("/v1/models", {"Authorization": "Bearer bad"}).json["error"]["message"]


def test_a_key_opens(door: Any) -> None:
    assert door.get("/v1/models").status == 200
    assert door.ask(b"hello").json["length"] == 5


def test_what_the_gate_forbids_is_forbidden(door: Any) -> None:
    answer = door.ask(headers={"Authorization": "Bearer confined"})
    assert (answer.status, answer.code) == (403, "not_allowed")


def test_what_the_gate_should_never_say_is_no_yes(door: Any) -> None:
    answer = door.ask(headers={"Authorization": "Bearer broken"})
    assert (answer.status, answer.code) == (503, "unavailable")


def test_nobody_says_who_they_are(door: Any) -> None:
    """Spoofed names, addresses, and the ways to slip a header past a proxy."""
    spoofed = {
        "X-Auth-Principal": "admin",
        "X_Auth_Principal": "admin",
        "X-Auth-Key-Id": "admin",
        "X-Auth-User": "admin",
        "X-Real-IP": "10.9.8.7",
        "X-Forwarded-For": "10.9.8.7",
        "X-Request-ID": "forged",
        "Forwarded": "for=10.9.8.7",
        "X-Original-URI": "/forged",
        "X-HTTP-Method-Override": "DELETE",
        "Connection": "X-Real-IP",
        "Cookie": "session=admin",
    }
    for answer in (door.ask(headers={**GOOD, **spoofed}), door.get("/readyz", {**GOOD, **spoofed})):
        seen = answer.json["headers"]
        assert not [value for value in seen.values() if "admin" in value or "10.9.8.7" in value or "forged" in value]
        assert seen["x-real-ip"] == seen["x-forwarded-for"] == "127.0.0.1"
        assert seen["x-request-id"] == answer.headers["x-request-id"]
        assert not {"authorization", "cookie", "x-auth-user"} & set(seen)
    assert door.ask(headers={**GOOD, **spoofed}).json["headers"]["x-auth-principal"] == "demo"
    asked = door.seen("gate")[-1]["headers"]
    assert asked["x-original-uri"] == "/v1/chat/completions"
    assert asked["x-real-ip"] == "127.0.0.1"
    assert set(asked) == {"authorization", "host", "x-original-method", "x-original-uri", "x-real-ip"}


@pytest.mark.parametrize(
    "path",
    ["//v1/models", "/v1/./models", "/v1/x/../models", "/v1%2fmodels", "/%76%31/models", "/healthz/../v1/models"],
)
def test_a_path_in_disguise_is_guarded_and_reaches_vision_without_it(door: Any, path: str) -> None:
    assert door.get(path, {}).status == 401
    assert door.get(path).json["path"] == "/v1/models"
    assert door.seen("gate")[-1]["headers"]["x-original-uri"] == path


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/glm-4v",
        "/v1/models/zai-org/GLM-4.6V-Flash",
        "/v1/models/zai-org%2FGLM-4.6V-Flash",
        "/v1/models/llava:13b",
        f"/v1/models/{'m' * 128}",
    ],
)
def test_a_model_is_asked_for_by_its_name(door: Any, path: str) -> None:
    seen = door.get(path).json
    assert (seen["path"], seen["headers"]["x-auth-principal"]) == (path.replace("%2F", "/"), "demo")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/..;/models",
        "/v1/models;x",
        "/v1/models%252e",
        "/x%0d%0aX-Real-IP:%201.2.3.4",
        "/v1/models/",
        "/v1/models/..;/metrics",
        "/v1/models/%252e%252e/metrics",
        "/v1/models/m%0a",
        "/v1/models/m%20n",
        "/v1/models/.m",
        f"/v1/models/{'m' * 129}",
    ],
)
def test_a_path_that_is_none_reaches_nobody(door: Any, path: str) -> None:
    before = len(door.seen("vision"))
    assert door.get(path, {}).status == 401
    answer = door.get(path)
    assert (answer.status, answer.code, answer.json["error"]["type"]) == (404, "not_found", "not_found_error")
    assert len(door.seen("vision")) == before
    assert door.seen("gate")[-1]["headers"]["x-real-ip"] == "127.0.0.1"


@pytest.mark.parametrize("path", ["/_verify", "/_error", "/_method"])
def test_the_inner_places_are_not_there(door: Any, path: str) -> None:
    assert door.get(path).status == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", "POST"),
        ("DELETE", "/v1/models", "GET"),
        ("POST", "/v1/models", "GET"),
        ("DELETE", "/v1/models/glm-4v", "GET"),
        ("POST", "/metrics", "GET"),
    ],
)
def test_a_wrong_method_says_which_is_right(door: Any, method: str, path: str, allowed: str) -> None:
    answer = door.request(method, path)
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


def test_the_metrics_are_for_who_has_a_key_and_in_the_format_that_he_asks_for(door: Any) -> None:
    answer = door.get("/metrics", {**GOOD, "Accept": "application/openmetrics-text; version=1.0.0"})
    assert (answer.status, answer.json["path"]) == (200, "/metrics")
    assert answer.json["headers"]["accept"].startswith("application/openmetrics-text")
    assert "authorization" not in answer.json["headers"]
    assert door.seen("gate")[-1]["headers"]["x-original-uri"] == "/metrics"
    for path in ("/metrics/", "/Metrics", "/metrics.txt", "/metrics;x", "/v1/../metrics/x"):
        assert door.get(path).status == 404
    assert door.get("/metrics", {"Authorization": "Bearer confined"}).status == 403
    assert '"path":"/metrics","status":"200","principal":"demo"' in door.log("access.jsonl")


def test_a_key_in_the_address_is_refused_and_not_written_down(door: Any) -> None:
    answer = door.get("/v1/models?api_key=csm_demo_secret")
    assert (answer.status, answer.code) == (400, "query_string")
    assert "secret" not in door.log("access.jsonl") + door.log("error.log")


def test_load_balancers_need_no_key(door: Any) -> None:
    assert door.get("/healthz", {}).json == {"status": "ok"}
    assert door.get("/readyz", {}).status == 200
