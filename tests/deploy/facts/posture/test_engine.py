"""The engine, asked over its socket: a small one of our own answers here."""

import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.facts.posture import engine
from deploy.facts.posture.engine import docker, redacted

CONTAINER = {"Id": "c1", "Name": "/casemate-vision-a", "Config": {"Env": ["API_KEY=hunter2", "LANG=C"], "Labels": {}}}
ANSWERS: dict[str, Any] = {
    "/version": {"Version": "20.10.24"},
    "/info": {"HttpProxy": "http://me:hunter2@proxy:3128", "Name": "lab1"},
    "/networks": [{"Id": "n1", "Name": "casemate"}],
    "/networks/n1": {"Name": "casemate", "Internal": True},
    "/containers/json?all=1": [{"Id": "c1"}, {"Id": "gone"}],
    "/containers/c1/json": CONTAINER,
    "/images/json": [{"Id": "sha256:aa"}],
    "/images/sha256:aa/json": {
        "Id": "sha256:aa",
        "RepoTags": None,
        "RootFS": {"Layers": ["sha256:bb"]},
        "Config": None,
    },
}


class Answering(BaseHTTPRequestHandler):
    """Answers what is in ANSWERS, 404 to the rest."""

    protocol_version = "HTTP/1.1"
    answers = ANSWERS
    status = 200

    def do_GET(self) -> None:
        found = self.answers.get(self.path)
        body = json.dumps(found if found is not None else {"message": "no such thing"}).encode()
        self.send_response(self.status if found is not None else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "unix"

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Answering]]:
    """An engine behind a socket; the class may be changed by a test."""
    place = str(tmp_path / "docker.sock")
    handler = type("Engine", (Answering,), {})
    with socketserver.ThreadingUnixStreamServer(place, handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        monkeypatch.setattr(engine, "DOCKER_SOCKET", place)
        monkeypatch.setattr("shutil.which", lambda *_, **__: "/usr/bin/dockerd")
        yield handler
        server.shutdown()


def test_everything_is_read_by_name_and_what_went_meanwhile_is_left_out(running: type[Answering]) -> None:
    found = docker(None)
    assert (found["installed"], found["reachable"], found["error"]) == (True, True, None)
    assert found["networks"]["casemate"]["Internal"] is True
    assert list(found["containers"]) == ["casemate-vision-a"]
    assert found["images"]["sha256:aa"]["layers"] == ["sha256:bb"]
    assert found["images"]["sha256:aa"]["tags"] == []


def test_no_secret_of_a_container_or_of_the_engine_is_told(running: type[Answering]) -> None:
    found = docker(None)
    assert "hunter2" not in json.dumps(found)
    assert found["containers"]["casemate-vision-a"]["Config"]["Env"] == ["API_KEY=<redacted>", "LANG=C"]


def test_an_engine_that_answers_with_an_error_is_not_an_empty_one(running: type[Answering]) -> None:
    running.status = 500
    found = docker(None)
    assert (found["installed"], found["reachable"]) == (True, False)
    assert "500" in found["error"]
    assert "containers" not in found


def test_an_engine_that_talks_nonsense_is_not_an_empty_one(running: type[Answering]) -> None:
    running.answers = {**ANSWERS, "/networks": "nonsense"}
    assert docker(None)["reachable"] is False


def test_a_dead_engine_is_not_an_empty_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "DOCKER_SOCKET", str(tmp_path / "nobody.sock"))
    monkeypatch.setattr("shutil.which", lambda *_, **__: "/usr/bin/dockerd")
    found = docker(None)
    assert (found["installed"], found["reachable"]) == (True, False)
    assert "FileNotFoundError" in found["error"]


def test_a_stopped_engine_is_not_started_by_looking(running: type[Answering]) -> None:
    """systemd would start it for whoever connects to its socket."""
    running.answers = {}
    found = docker({"docker.service": {"active": "inactive"}})
    assert found == {"installed": True, "reachable": False, "error": "docker.service is inactive"}


def test_a_host_without_an_engine_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    assert docker(None) == {"installed": False}


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("HF_TOKEN=abc", "HF_TOKEN=<redacted>"),
        ("my.secret-name=abc=def", "my.secret-name=<redacted>"),
        ("DB_PASSWORD=x\ny", "DB_PASSWORD=<redacted>"),
        ("--api-key=abc", "--api-key=<redacted>"),
        (["serve", "--token", "abc", "--port", "1"], ["serve", "--token", "<redacted>", "--port", "1"]),
        ("https://me:pw@example.org/x", "https://<redacted>@example.org/x"),
        ({"Env": ["A_KEY=1", "B=2"]}, {"Env": ["A_KEY=<redacted>", "B=2"]}),
    ],
)
def test_secret_values_are_taken_out(told: Any, kept: Any) -> None:
    assert redacted(told) == kept


@pytest.mark.parametrize(
    "told", ["LANG=C.UTF-8", "keyboard", "http://example.org:80/", ["--port", "8000"], "TOKEN=", 7]
)
def test_what_is_no_secret_stays(told: Any) -> None:
    assert redacted(told) == told


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_taking_out_twice_is_taking_out_once(told: Any) -> None:
    once = redacted(told)
    assert redacted(once) == once


@given(st.from_regex(r"[A-Z_]{0,8}(KEY|TOKEN|SECRET|PASSWORD)[A-Z_]{0,8}", fullmatch=True), st.text(min_size=1))
def test_no_value_of_a_secret_looking_name_gets_through(name: str, value: str) -> None:
    assert redacted([f"{name}={value}"]) == [f"{name}=<redacted>"]
