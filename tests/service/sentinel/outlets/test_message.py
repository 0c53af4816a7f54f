"""Sentences for people, in every shape that a message has."""

import json

import pytest

from service.sentinel.outlets.message import MOST_PATHS, Message
from tests.service.sentinel.receivers import message, told


def test_one_change_is_told_with_who_and_where() -> None:
    one = message(3, severity="critical", differs=["sha256", "size"], container="vision", who={"pid": 7, "uid": 0})
    assert one.text() == (
        "critical: etc: /etc/3 changed (sha256, size) in container vision by a process (pid 7, uid 0)"
    )


def test_many_changes_are_told_with_counts_and_the_first_paths() -> None:
    many = message(0)
    for n in range(1, 30):
        many.add(told(n, what="created"))
    text = many.text()
    assert text.startswith("high: etc: 30 paths (1 changed, 29 created): /etc/0, /etc/1, ")
    assert text.endswith(f"/etc/{MOST_PATHS - 1} and 10 more")
    assert (many.first_seq, many.last_seq, many.count) == (0, 29, 30)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, "info: sentinel: started"),
        ({"severity": "high", "root": "/etc", "why": "overflow"}, "high: sentinel: started: root /etc, why overflow"),
    ],
)
def test_a_note_is_a_sentence(fields: dict[str, str], text: str) -> None:
    assert message(0, "started", fields.pop("severity", None), **fields).text() == text


def test_no_note_reaches_a_terminal_unescaped() -> None:
    text = message(0, "unreadable", "high", why="b'\n\x1b[2J\u202e' \udc80", paths=["/\x07"]).text()
    assert text.isprintable()
    assert "\\n\\x1b[2J\\u202e" in text


def test_it_comes_back_from_the_disk_as_it_was() -> None:
    one = message(3, path="/é\\x1b", before={"mode": "0644"})
    assert Message.decoded(one.encoded()) == one


def test_long_fields_are_cut() -> None:
    one = message(0, path="x" * 20_000, who={"command": ["y" * 5000] * 200})
    assert len(one.encoded()) < 60_000
    assert "20000 characters" in one.text()


@pytest.mark.parametrize("content", [b"", b"[]", b'{"host": 1}', b"\xff"])
def test_what_is_none_is_refused(content: bytes) -> None:
    with pytest.raises((ValueError, TypeError)):
        Message.decoded(content)


def test_the_document_is_json_with_the_sentence() -> None:
    document = json.loads(json.dumps(message(0).document()))
    assert (document["schema"], document["message"], document["count"]) == (1, "high: etc: /etc/0 changed", 1)
