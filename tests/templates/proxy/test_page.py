"""The page and its files are for everybody; nothing else is, and nobody learns more by them."""

from pathlib import Path
from typing import Any

import pytest

from deploy.judgement.control import load_controls
from deploy.judgement.finding import judge
from deploy.judgement.subject import subject
from deploy.operations.templates import render
from deploy.paths import ROOT
from deploy.settings.host import HostSettings

FILES = sorted(file.name for file in (ROOT / "service/vision/page").iterdir() if file.name != "index.html")
PATHS = ["/", *(f"/page/{name}" for name in FILES)]


@pytest.mark.parametrize("path", PATHS)
def test_every_file_of_the_page_passes_without_a_key(door: Any, path: str) -> None:
    asked = len(door.seen("gate"))
    answer = door.get(path, {})
    assert (answer.status, answer.json["path"], answer.json["method"]) == (200, path, "GET")
    assert len(door.seen("gate")) == asked


@pytest.mark.parametrize(
    "path",
    [
        "/page",
        "/page/",
        "/page/nothing.js",
        "/page/page.jsx",
        "/page/page.js/",
        "/page/sub/page.js",
        "/page.js",
        "/index.html",
        "/page/..;/page.js",
        "/page/page%252ejs",
        "/page/page.js%00",
        "/Page/page.js",
        "/page/PAGE.js",
        "/openapi.json",
        "/metrics",
        "/page/../v1/models",
        "/page/%2e%2e/v1/models",
        "/page/..%2fv1%2fmodels",
        "/page/page.js%0a",
    ],
)
def test_what_is_none_of_them_needs_a_key(door: Any, path: str) -> None:
    before = len(door.seen("vision"))
    answer = door.get(path, {})
    assert answer.status in (400, 401)
    assert answer.status == 401 or "%00" in path
    assert len(door.seen("vision")) == before


@pytest.mark.parametrize("path", ["//page/page.js", "/page/./page.js", "/v1/../page/page.js", "/%70age/page.js"])
def test_a_file_in_disguise_reaches_vision_without_it(door: Any, path: str) -> None:
    assert door.get(path, {}).json["path"] == "/page/page.js"


@pytest.mark.parametrize("path", ["/", "/page/page.js"])
def test_nothing_goes_in_with_it(door: Any, path: str) -> None:
    """Neither a body nor a name: a key sent along is not even passed on."""
    sent = {"Authorization": "Bearer good", "Cookie": "a=b", "X-Auth-Principal": "admin", "X-Auth-Key-Id": "admin"}
    answer = door.request("GET", path, {**sent, "X-Real-IP": "10.9.8.7", "If-None-Match": '"old"'}, body=b"x" * 500)
    seen = answer.json["headers"]
    assert answer.json["length"] == 0
    assert set(seen) <= {
        "host",
        "user-agent",
        "accept",
        "x-real-ip",
        "x-forwarded-for",
        "x-request-id",
        "if-none-match",
        "accept-encoding",
    }
    assert (seen["x-real-ip"], seen["if-none-match"]) == ("127.0.0.1", '"old"')
    assert door.request("GET", path, {}, body=b"x" * 2000).status == 413
    assert door.get(f"{path}?key=csm_secret", {}).status == 400


@pytest.mark.parametrize("path", ["/", "/page/page.js"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_it_is_only_read(door: Any, method: str, path: str) -> None:
    before = len(door.seen("vision"))
    answer = door.request(method, path, {})
    assert (answer.status, answer.code, answer.headers["allow"]) == (405, "method_not_allowed", "GET")
    assert len(door.seen("vision")) == before


def test_head_is_answered(door: Any) -> None:
    answer = door.request("HEAD", "/", {})
    assert (answer.status, answer.body) == (200, b"")
    assert door.seen("vision")[-1]["method"] == "HEAD"


def test_what_one_has_already_is_not_sent_again(door: Any) -> None:
    answer = door.get("/", {"If-None-Match": '"v1"'})
    assert (answer.status, answer.body, answer.headers["etag"]) == (304, b"", '"v1"')


def test_its_own_policy_passes_and_the_door_s_words_stay_the_door_s(door: Any) -> None:
    page, api = door.get("/", {}), door.get("/v1/models")
    assert page.headers["content-security-policy"] == "default-src 'none'"
    assert (page.headers["cache-control"], api.headers["cache-control"]) == ("no-cache", "no-store")
    assert page.headers["x-content-type-options"] == api.headers["x-content-type-options"] == "nosniff"


def test_without_a_model_there_is_no_page_either(own_door: Any) -> None:
    own_door.start()
    own_door.behind["vision"].kill()
    answer = own_door.get("/", {})
    assert (answer.status, answer.code) == (503, "unavailable")


SETTINGS = {
    "release": {"model": "/models/glm", "model_name": "glm"},
    "vision": {"golden": {"picture": "/golden.png", "question": "?", "answer": "red"}},
    "proxy": {"server_name": "ai.example", "ca": Path("/ca")},
}


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        (("", ""), "passed"),
        (("location / {", "location / {\n            auth_request off;"), "failed"),
        (("icon\\.svg|", "icon\\.svg|[a-z]+|"), "failed"),
        (("auth_request /_verify;", "auth_request off;"), "failed"),
        (("auth_request /_verify;", "auth_request\toff ;"), "failed"),
    ],
)
def test_the_control_knows_what_is_open(change: tuple[str, str], verdict: str) -> None:
    settings = HostSettings.model_validate(SETTINGS)
    text = render("proxy/nginx.conf.j2", proxy=settings.proxy, rejects_handshake=True, ipv6=False).replace(*change, 1)
    seen = {
        "files": {"/etc/nginx/nginx.conf": {"content": text, "ctime": 1.0}},
        "units": {"nginx.service": {"changed": 2.0}},
    }
    [control] = [control for control in load_controls() if control.id == "door-asks-everybody-for-a-key"]
    [found] = judge([control], {"host": subject(seen, settings), "probe": {}})
    assert found.verdict == verdict
