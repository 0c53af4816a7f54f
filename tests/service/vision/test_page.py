"""The page's files as the service answers them."""

import socket
from pathlib import Path

import pytest

from service.vision.assets import ASSETS
from tests.service.vision.running import Running

PAGE = Path(__file__).resolve().parents[3] / "service" / "vision" / "page"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@pytest.mark.parametrize("file", sorted(PAGE.iterdir()), ids=lambda file: str(file.name))
def test_every_file_is_there_and_says_what_it_is(service: Running, file: Path) -> None:
    path = "/" if file.name == "index.html" else f"/page/{file.name}"
    answer = service.client.get(path)
    assert (answer.status_code, answer.content) == (200, file.read_bytes())
    assert answer.headers["content-type"] == TYPES[file.suffix]
    assert answer.headers["cache-control"] == "no-cache"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert "microphone=()" in answer.headers["permissions-policy"]


def test_the_policy_lets_the_page_speak_to_its_server_and_nothing_else(service: Running) -> None:
    policy = service.client.get("/").headers["content-security-policy"]
    rules = dict(rule.strip().partition(" ")[::2] for rule in policy.split(";"))
    assert rules == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' blob: data:",
        "connect-src": "'self'",
        "form-action": "'none'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }


def test_who_has_a_file_gets_no_second_one(service: Running) -> None:
    etag = service.client.get("/").headers["etag"]
    for named in (etag, f'"old", {etag}', f"W/{etag}"):
        again = service.client.get("/", headers={"if-none-match": named})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert service.client.get("/", headers={"if-none-match": '"old"'}).status_code == 200
    assert len({asset.etag for asset in ASSETS.values()}) == len(ASSETS)


def test_head_has_no_body(service: Running) -> None:
    answer = service.client.head("/page/page.js")
    assert (answer.status_code, answer.content) == (200, b"")
    assert int(answer.headers["content-length"]) == (PAGE / "page.js").stat().st_size


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_it_is_only_read(service: Running, method: str) -> None:
    answer = service.client.request(method, "/page/page.js")
    assert (answer.status_code, answer.json()["error"]["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize(
    "path",
    [
        "/index.html",
        "/page",
        "/page/",
        "/page/index.html",
        "/page/nothing.js",
        "/page/../trail.py",
        "/page/%2e%2e/trail.py",
        "/page/..%2ftrail.py",
        "/page/%2fetc/passwd",
        "//etc/passwd",
        "/page//page.js",
        "/page/page.js%00",
        "/page/PAGE.JS",
    ],
)
def test_nothing_else_is_there(service: Running, path: str) -> None:
    """Sent as it stands: an HTTP library would tidy the path up."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(service.configuration.socket))
        connection.sendall(f"GET {path} HTTP/1.1\r\nhost: v\r\nconnection: close\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"import" not in answer
    assert b"root:" not in answer


def test_it_needs_no_name_leaves_no_line_and_is_not_part_of_the_api(service: Running) -> None:
    with service.connect() as nobody:
        for header in ("x-auth-principal", "x-auth-key-id"):
            del nobody.headers[header]
        for path in ASSETS:
            assert nobody.get(path).status_code == 200
    assert service.client.get("/page/nothing.js").status_code == 404
    (line,) = service.lines(1)
    assert (line["status"], line["reason"]) == (404, "not_found")
    service.forget()
    assert not [path for path in service.client.get("/openapi.json").json()["paths"] if path == "/" or "page" in path]


def test_the_page_names_no_other_host_and_runs_nothing_inline() -> None:
    for path, asset in ASSETS.items():
        text = asset.body.decode().replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in text, path
        assert "https:" not in text, path
        assert "innerHTML" not in text.replace("there is no innerHTML", ""), path
    index = ASSETS["/"].body.decode()
    assert " style=" not in index
    assert " on" not in [word[:3] for word in index.replace("<", " <").split('"')[::2] if word.startswith(" on")]
    assert index.count("<script") == index.count('<script type="module" src=') == 1


def test_both_languages_say_everything() -> None:
    """Every name of one is a name of the other; what is filled in is the same in both."""

    def said(file: str) -> dict[str, set[str]]:
        lines = [line.strip() for line in (PAGE / file).read_text().splitlines()]
        pairs = [line.partition(": ") for line in lines if ": " in line and not line.startswith("/**")]
        return {
            name: {part.partition("}")[0] for part in words.split("{")[1:] if "}" in part} for name, _, words in pairs
        }

    english, chinese = said("english.js"), said("chinese.js")
    assert english == chinese
    assert len(english) > 70
