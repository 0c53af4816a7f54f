"""casemate ask: what it sends, where to, and how it says no before anything is sent."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from deploy.cli.ask import api_key, ask, chat
from deploy.door import Door, door_of
from deploy.errors import CasemateError, SettingsError
from deploy.paths import ROOT
from deploy.settings.load import InventoryHost, load_inventory

PNG = b"\x89PNG\r\n\x1a\n"
KEY = "csm_demo_key"


@pytest.fixture
def inventory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Two hosts behind NAT; the second has a certificate of its own."""
    monkeypatch.delenv("CASEMATE_API_KEY", raising=False)
    (tmp_path / "cat.png").write_bytes(PNG)
    (tmp_path / "key").write_text(f"{KEY}\n")
    common: dict[str, Any] = {
        "ssh_hostname": "192.0.2.7",
        "release": {"model": str(tmp_path), "model_name": "micro"},
        "vision": {"golden": {"picture": str(tmp_path / "cat.png"), "question": "?", "answer": "cat"}},
        "gate": {"api_key_file": str(tmp_path / "key")},
    }
    one = {"server_name": "one.example", "ca": str(tmp_path / "ca"), "address": "192.0.2.8:8443", "max_body": "1k"}
    two = {"server_name": "two.example", "certificate": "/c.pem", "private_key": "/k.pem", "port": 444}
    hosts = [("one", {**common, "proxy": one}), ("two", {**common, "proxy": two})]
    (tmp_path / "hosts.py").write_text(f"hosts = {hosts!r}\n")
    return str(tmp_path / "hosts.py")


@pytest.fixture
def hosts(inventory: str) -> list[InventoryHost]:
    return load_inventory(inventory)


def test_the_door_is_where_the_settings_say(hosts: list[InventoryHost], tmp_path: Path) -> None:
    assert door_of(hosts[0], 310) == Door("one", "192.0.2.8", 8443, "one.example", tmp_path / "ca" / "ca.pem", 310)
    assert door_of(hosts[1], 310) == Door("two", "192.0.2.7", 444, "two.example", None, 310)


def test_the_answer_alone_is_on_standard_output(
    inventory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = []

    def post(self: Door, path: str, document: Any, key: str) -> Any:
        sent.append((self.host, path, document, key))
        return {"model": "micro", "choices": [{"message": {"content": "三个红色圆形"}}], "usage": {"total_tokens": 9}}

    monkeypatch.setattr(Door, "post", post)
    picture = str(tmp_path / "cat.png")
    assert CliRunner().invoke(ask, [inventory, picture, "多少?"]).stdout == "三个红色圆形\n"
    host, path, document, key = sent[0]
    assert (host, path, key, document["model"]) == ("one", "/v1/chat/completions", KEY, "micro")
    [message] = document["messages"]
    assert message["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert message["content"][1] == {"type": "text", "text": "多少?"}
    shown = json.loads(CliRunner().invoke(ask, [inventory, picture, "?", "--limit", "two", "--json"]).stdout)
    assert (shown["host"], shown["answer"], shown["model"]) == ("two", "三个红色圆形", "micro")


def test_the_environment_s_key_is_the_nearer_one(hosts: list[InventoryHost], monkeypatch: pytest.MonkeyPatch) -> None:
    assert api_key(hosts[0].settings.gate) == KEY
    monkeypatch.setenv("CASEMATE_API_KEY", "csm_other")
    assert api_key(hosts[0].settings.gate) == "csm_other"


@pytest.mark.parametrize("content", [None, "", "two words", "键", "a\nb"])
def test_no_key_says_how_to_get_one(hosts: list[InventoryHost], tmp_path: Path, content: str | None) -> None:
    (tmp_path / "key").unlink()
    if content is not None:
        (tmp_path / "key").write_text(content)
    with pytest.raises(SettingsError, match="no API key"):
        api_key(hosts[0].settings.gate)


def test_a_picture_that_the_door_would_refuse_is_not_sent(hosts: list[InventoryHost], tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(PNG + bytes(1000))
    with pytest.raises(SettingsError, match="one takes 1k"):
        chat(hosts[0], tmp_path / "large.png", "?")
    assert chat(hosts[1], tmp_path / "large.png", "?")


def test_an_answer_without_an_answer(inventory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Door, "post", lambda *_: {"choices": []})
    result = CliRunner().invoke(ask, [inventory, str(tmp_path / "cat.png"), "?"])
    assert isinstance(result.exception, CasemateError)
    assert result.exception.exit_code == 1


def test_a_picture_that_is_none_is_2_in_one_sentence(inventory: str, tmp_path: Path) -> None:
    (tmp_path / "cat.txt").write_text("miaow")
    program = "import sys; from deploy.cli import main; sys.argv[0] = 'casemate'; main()"
    command = [sys.executable, "-c", program, "ask", inventory, str(tmp_path / "cat.txt"), "?"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "cat.txt is no JPEG, PNG or WEBP picture\nNext: " in done.stderr
