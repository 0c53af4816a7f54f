"""The program's verbs, exit statuses and streams."""

import io
import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from service.release import __main__ as command
from tests.service.release.conftest import Host, hexdigest


@pytest.fixture
def call(host: Host, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    monkeypatch.setattr(command, "Layout", lambda: host.layout)

    def run(*arguments: str, stdin: bytes = b"") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["casemate-release", *arguments])
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        status = 0
        try:
            command.main()
        except SystemExit as stop:
            status = int(stop.code or 0)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_a_release_from_arrival_to_service(host: Host, call: Any) -> None:
    release = host.build()
    for content in release.blobs.values():
        assert call("receive", hexdigest(content), "--size", str(len(content)), stdin=content)[0] == 0
    assert set(json.loads(call("have")[1])["blobs"]) == set(release.blobs)
    directory = host.deliver(release)
    status, out, err = call("accept", str(directory))
    assert (status, json.loads(out), err) == (0, {"release": release.id, "sequence": 100}, "")
    status, out, err = call("handover", "--here", "vision", release.id)
    assert (status, out) == (0, "")
    assert err.splitlines()[0] == "Verify the release"
    assert json.loads(call("status")[1])["components"]["vision"]["ready"]
    assert call("stop", "vision")[0] == 0
    assert not json.loads(call("status")[1])["components"]["vision"]["ready"]
    assert call("start", "vision")[0] == 0
    assert json.loads(call("prune", "--keep", "1")[1]) == []


def test_a_refusal_is_one_sentence_and_1(host: Host, call: Any) -> None:
    release = host.build()
    directory = host.deliver(release)
    (directory / "manifest.json.sig").unlink()
    status, out, err = call("accept", str(directory))
    assert (status, out, len(err.splitlines())) == (1, "", 1)
    assert err.startswith("casemate-release: ")


def test_what_must_come_again_is_3(host: Host, call: Any) -> None:
    release = host.build()
    assert call("accept", str(host.deliver(release, without=(release.layers[0],))))[0] == 3


@pytest.mark.parametrize("arguments", [(), ("start",), ("start", "nginx"), ("receive", "x"), ("unknown",)])
def test_a_wrong_call_is_2(call: Any, arguments: tuple[str, ...]) -> None:
    assert call(*arguments)[0] == 2
