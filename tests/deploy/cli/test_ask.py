"""casemate ask: what it sends, where to, what it shows of the answer, and how it says no."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.cli.ask import api_key, chat
from deploy.door import Door, door_of
from deploy.errors import SettingsError
from deploy.settings.load import InventoryHost, load_inventory
from tests.deploy.cli.asking import PNG, Asking
from tests.deploy.speaking import Speaking, answer, chunk, cut, event, speaking

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


@pytest.fixture(scope="module")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ask") / "ca"


@pytest.fixture(scope="module")
def there(ca: Path) -> Iterator[Speaking]:
    with speaking(ca) as server:
        yield server


@pytest.fixture
def asking(tmp_path: Path, inventory: str, ca: Path, there: Speaking) -> Asking:
    there.says([answer("It is ", "red.", thought="hm")])
    return Asking(tmp_path, inventory, ca, there.server_port)


@pytest.mark.long
def test_the_answer_alone_is_on_standard_output(asking: Asking, there: Speaking) -> None:
    there.says(cut(answer("三个红色", "圆形", thought="数一数"), 3))
    assert asking(asking.pictures[0], "多少?") == (0, "三个红色圆形\n", "")
    [(headers, body)] = there.seen
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert (body["model"], body["stream"]) == ("micro", True)
    [message] = body["messages"]
    assert message["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert message["content"][1] == {"type": "text", "text": "多少?"}


@pytest.mark.long
def test_several_pictures_in_their_order_and_none(asking: Asking, there: Speaking) -> None:
    cat, dog = asking.pictures
    assert asking(dog, cat, dog, "?")[:2] == (0, "It is red.\n")
    assert asking("What is red?")[0] == 0
    (_, three), (_, none) = there.seen
    urls = [part["image_url"]["url"] for part in three["messages"][0]["content"][:-1]]
    assert (urls[0] == urls[2], len(urls[0]) > len(urls[1])) == (True, True)
    assert none["messages"][0]["content"] == [{"type": "text", "text": "What is red?"}]


@pytest.mark.long
def test_a_question_from_standard_input(asking: Asking, there: Speaking) -> None:
    assert asking(asking.pictures[0], "-", given="What\nis it? 猫\n")[0] == 0
    assert there.seen[0][1]["messages"][0]["content"][1]["text"] == "What\nis it? 猫"
    status, out, told = asking(asking.pictures[0], "-", given=" \n")
    assert (status, out, "no question on standard input" in told, len(there.seen)) == (2, "", True, 1)


@pytest.mark.long
def test_one_document(asking: Asking) -> None:
    status, out, told = asking(asking.pictures[0], "?", "--json")
    shown = json.loads(out)
    seconds = shown.pop("seconds")
    assert 0 <= seconds["first_token"] <= seconds["total"] < 20
    assert (status, told, shown) == (
        0,
        "",
        {
            "host": "one",
            "request": "0123456789abcdef",
            "answer": "It is red.",
            "reasoning": "hm",
            "model": "micro",
            "finish_reason": "stop",
            "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9},
        },
    )


@pytest.mark.long
def test_it_is_shown_as_it_comes(asking: Asking, there: Speaking) -> None:
    there.says([chunk({"content": "It is "}), 2.0, chunk({"content": "red."}), chunk({}, "stop"), event(b"[DONE]")])
    process = asking.start("?")
    assert process.stdout
    assert process.stdout.read(6) == "It is "
    began = time.monotonic()
    assert process.communicate(timeout=20)[0] == "red.\n"
    assert time.monotonic() - began > 1


@pytest.mark.long
def test_an_answer_commands_no_terminal(asking: Asking, there: Speaking) -> None:
    said = answer("a\x1b", "]52;c;eA==\x07b\x9b2J\tc\r\nd?").replace(b"?", rb"\ud800")
    there.says([said])
    assert asking("?")[1].splitlines() == ["a\ufffd]52;c;eA==\ufffdb\ufffd2J\tc\ufffd", "d\ufffd"]


@pytest.mark.long
def test_an_answer_that_was_cut_by_its_length_says_so(asking: Asking, there: Speaking) -> None:
    there.says([answer("It is", reason="length")])
    status, out, told = asking("?")
    assert (status, out) == (0, "It is\n")
    assert "vision.max_new_tokens" in told


@pytest.mark.long
@pytest.mark.parametrize(
    ("end", "told"),
    [
        ([None], "one: the answer broke off before its end"),
        (
            [event({"error": {"message": "the service is stopping"}})],
            "one: the answer broke off: the service is stopping",
        ),
        ([event({"object": "list"})], "one: what came is no answer"),
    ],
)
def test_what_came_before_a_broken_end_stays(asking: Asking, there: Speaking, end: Any, told: str) -> None:
    there.says([chunk({"content": "It is "}), *end])
    status, out, said = asking("?")
    assert (status, out) == (1, "It is \n")
    assert said.startswith(told)
    assert said.splitlines()[1].startswith("Next: ")
    assert asking("?", "--json")[:2] == (1, "")


@pytest.mark.long
@pytest.mark.parametrize("status", [401, 413, 429, 503])
def test_a_refusal_is_1_in_two_lines(asking: Asking, there: Speaking, status: int) -> None:
    said = {"error": {"message": "The reason.", "type": "x", "param": None, "code": "y"}}
    there.says([json.dumps(said).encode()], status, {"Content-Type": "application/json", "Retry-After": "7"})
    code, out, told = asking("?")
    assert (code, out) == (1, "")
    first, second = told.splitlines()
    assert first == f"one: The reason. (HTTP {status})"
    assert second.startswith("Next: ")
    assert ("7 s" in second) is (status in (429, 503))


@pytest.mark.long
def test_an_interrupt_hangs_up_and_is_130(asking: Asking, there: Speaking) -> None:
    there.says([chunk({"content": "It is "}), *(0.02, b": still here\n\n") * 1000])
    process = asking.start("?")
    assert process.stdout
    assert process.stdout.read(6) == "It is "
    process.send_signal(signal.SIGINT)
    out, told = process.communicate(timeout=30)
    assert (process.returncode, out, told.strip()) == (130, "\n", "")
    assert there.gone.wait(30)


@pytest.mark.long
def test_who_reads_enough_of_it_may_close(asking: Asking, there: Speaking) -> None:
    there.says([chunk({"content": "It is "}), *(0.02, chunk({"content": "more "})) * 500])
    process = asking.start("?")
    assert process.stdout
    process.stdout.read(6)
    process.stdout.close()
    assert process.wait(10) == 1
    assert process.stderr
    assert process.stderr.read() == ""
    assert there.gone.wait(30)


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


def test_a_picture_that_would_be_refused_is_not_sent(hosts: list[InventoryHost], tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    large.write_bytes(PNG + bytes(1000))
    with pytest.raises(SettingsError, match="one takes 1k"):
        chat(hosts[0], [large], "?")
    assert chat(hosts[1], [large], "?")
    with pytest.raises(SettingsError, match="9 pictures, and two takes 8 in a question"):
        chat(hosts[1], [large] * 9, "?")
    large.write_bytes(PNG + bytes(10_000_000))
    with pytest.raises(SettingsError, match=r"large\.png is 10000008 bytes, and two takes 10000000") as raised:
        chat(hosts[1], [large], "?")
    assert "vision.max_picture_bytes" in raised.value.next
    large.write_bytes(PNG + bytes(8_000_000))
    with pytest.raises(SettingsError, match="two takes 20000000") as raised:
        chat(hosts[1], [large, large], "?")
    assert "vision.max_body_bytes" in raised.value.next


@pytest.mark.long
def test_a_picture_that_is_none_is_2_in_one_sentence(asking: Asking, there: Speaking, tmp_path: Path) -> None:
    (tmp_path / "cat.txt").write_text("miaow")
    status, out, told = asking(asking.pictures[0], str(tmp_path / "cat.txt"), "?")
    assert (status, out, there.seen) == (2, "", [])
    assert "cat.txt is no JPEG, PNG or WEBP picture\nNext: " in told


@pytest.mark.long
def test_without_a_question_it_is_2(asking: Asking) -> None:
    status, out, told = asking()
    assert (status, out) == (2, "")
    assert "QUESTION" in told
