"""A question, its answer, and what others may say instead."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.facts.probes.dns import framed, outcome, question, reply

LABEL = st.from_regex(r"[a-z0-9-]{1,63}", fullmatch=True)


@given(st.lists(LABEL, min_size=1, max_size=4).map(".".join))
def test_the_canary_s_answer_to_any_name_is_understood(name: str) -> None:
    query = question(name)
    answer = reply(query)
    assert outcome(answer) == (True, "resolved")
    assert answer[:2] == query[:2], "the answer carries the question's number"


def test_an_error_is_no_name_resolved() -> None:
    refused = question("a.invalid")[:2] + bytes([0x81, 0x85]) + bytes(8)
    assert outcome(refused) == (False, "DNS error 5")


def test_an_empty_answer_is_no_name_resolved() -> None:
    assert outcome(question("a.invalid")[:2] + bytes([0x81, 0x80]) + bytes(8)) == (False, "DNS error 0")


@given(st.binary(max_size=40))
def test_any_bytes_are_judged(data: bytes) -> None:
    outcome(data)


def test_what_is_no_query_is_not_answered() -> None:
    with pytest.raises(ValueError, match="not found"):
        reply(b"\x01" * 20)


def test_over_tcp_a_message_begins_with_its_length() -> None:
    assert framed(b"abc") == b"\x00\x03abc"
