"""Only what a host lacks travels; what it threw away travels again."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.errors import CasemateError
from deploy.operations import transfer
from deploy.operations.built import Built
from deploy.operations.channel import Said
from tests.deploy.operations.releases import release_in

HOST = SimpleNamespace(name="gpu1")


class Program:
    """`casemate-release` on a host, as far as the conversation goes."""

    def __init__(self) -> None:
        self.have: dict[str, Any] = {"images": [], "blobs": [], "partial": {}, "accepted": []}
        self.received: dict[str, bytes] = {}
        self.answers: list[Said] = []
        self.verbs: list[str] = []

    def run(self, host: Any, *command: str, stdin: Iterator[bytes] | None = None, heard: Any = None) -> Said:
        verb = command[1] if len(command) > 1 else command[0].rpartition("casemate-release ")[2].split()[0]
        self.verbs.append(verb)
        content = b"".join(stdin or ())
        if verb == "have":
            return Said(0, json.dumps(self.have), "")
        if verb == "receive":
            self.received[command[2]] = content
            return Said(0, "", "")
        return self.answers.pop(0) if self.answers else Said(0, "{}", "")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Program:
    double = Program()
    monkeypatch.setattr(transfer, "run", double.run)
    return double


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Built:
    monkeypatch.setattr(Built, "signed", lambda *_, **__: SimpleNamespace(document=b"{}", signature=b"signed"))
    return release_in(tmp_path)


def digests(*names: str) -> set[str]:
    return {name.removeprefix("sha256:") for name in names}


def test_an_empty_host_gets_all(program: Program, release: Built) -> None:
    transfer.send_image(HOST, release)
    assert program.received.keys() == digests(*release.image_ids, *release.layers)
    assert program.received[release.layers[0].removeprefix("sha256:")] == b"root file system"


def test_layers_that_an_image_begins_with_stay_here(program: Program, release: Built) -> None:
    program.have["images"] = [{"id": "x", "layers": [release.layers[0], "sha256:other"]}, {"id": "y", "layers": []}]
    transfer.send_image(HOST, release)
    assert program.received.keys() == digests(*release.image_ids, *release.layers[1:])


def test_a_layer_in_another_place_does_not_count(program: Program, release: Built) -> None:
    """An engine knows a layer by all those below it."""
    program.have["images"] = [{"id": "x", "layers": ["sha256:other", *release.layers[1:]]}]
    transfer.send_image(HOST, release)
    assert digests(*release.layers) <= program.received.keys()


def test_whole_blobs_and_parts_that_are_there_stay_here(program: Program, release: Built) -> None:
    first, second, _ = (layer.removeprefix("sha256:") for layer in release.layers)
    program.have |= {"blobs": [first], "partial": {second: 2}}
    transfer.send_image(HOST, release)
    assert first not in program.received
    assert program.received[second] == b"eels"


def test_only_missing_files_of_the_model_travel(program: Program, release: Built) -> None:
    program.have["blobs"] = [release.model.files["config.json"].sha256]
    transfer.send_model(HOST, release)
    assert program.received == {release.model.files["model.safetensors"].sha256: b"weights"}


def test_what_was_thrown_away_is_sent_again(program: Program, release: Built) -> None:
    program.answers = [Said(3, "", "casemate-release: model.safetensors is not the signed one"), Said(0, "{}", "")]
    transfer.accept(HOST, release, 0)
    assert program.verbs.count("accept") == 2
    assert release.model.files["model.safetensors"].sha256 in program.received


def test_an_engine_that_takes_no_part_gets_the_whole(program: Program, release: Built) -> None:
    program.have["images"] = [{"id": "x", "layers": release.layers[:2]}]
    program.answers = [Said(3, "", "no such layer"), Said(3, "", "no such layer"), Said(0, "{}", "")]
    transfer.accept(HOST, release, 0)
    assert digests(*release.layers) <= program.received.keys()


def test_a_refusal_is_the_hosts_own_sentence(program: Program, release: Built) -> None:
    program.answers = [Said(1, "", "casemate-release: the signature does not hold")]
    with pytest.raises(CasemateError, match=r"^gpu1: the signature does not hold\nNext: "):
        transfer.accept(HOST, release, 0)


def test_a_refusal_s_own_advice_is_the_advice(program: Program, release: Built) -> None:
    program.answers = [Said(1, "", "casemate-release: it is in quarantine; next: casemate quarantine list INVENTORY")]
    with pytest.raises(CasemateError, match=r"^gpu1: it is in quarantine\nNext: casemate quarantine list INVENTORY$"):
        transfer.hand_over(HOST, "vision", release, 0)


def test_a_handover_that_misses_something_has_it_sent(program: Program, release: Built) -> None:
    program.answers = [Said(3, "", "the signed image is not in the engine"), Said(0, "{}", ""), Said(0, "", "")]
    transfer.hand_over(HOST, "vision", release, 0)
    assert program.verbs == ["handover", "accept", "handover"]


def test_a_handover_that_fails_is_told(program: Program, release: Built) -> None:
    program.answers = [Said(1, "", "casemate-release: vision did not go into service; x serves as before")]
    with pytest.raises(CasemateError, match="x serves as before"):
        transfer.hand_over(HOST, "vision", release, 0)
