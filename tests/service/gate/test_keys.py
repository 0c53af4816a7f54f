"""The form of a key."""

import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.gate.keys import digest, is_digest, new_key, parse

ids = st.from_regex(r"[a-z0-9][a-z0-9-]{1,30}", fullmatch=True)


@given(ids)
def test_a_new_key_has_the_agreed_form_and_gives_its_id_back(key_id: str) -> None:
    key = new_key(key_id)
    assert re.fullmatch(rf"csm_{key_id}_[A-Za-z0-9_-]{{43}}[0-9a-f]{{6}}", key)
    assert key[-6:] == hashlib.sha256(key[:-6].encode()).hexdigest()[:6]
    assert parse(key) == key_id


KEY = new_key("demo")
"""One a run: what is drawn again must be the same again."""


@given(st.data())
def test_one_wrong_character_is_seen_without_a_look_up(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(KEY) - 1))
    other = data.draw(st.sampled_from("abcdefXYZ0123456789_-é\n").filter(lambda char: char != KEY[at]))
    assert parse(KEY[:at] + other + KEY[at + 1 :]) is None


@given(st.text(max_size=120))
def test_no_other_text_is_a_key(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize("key_id", ["", "a", "-ab", "Demo", "a_b", "a" * 32, "dé", "ab\n"])
def test_wrong_ids_make_no_key(key_id: str) -> None:
    with pytest.raises(ValueError, match="expected 2 to 31"):
        new_key(key_id)


def test_digest_is_sha256_of_all_of_it() -> None:
    key = new_key("demo")
    assert digest(key) == hashlib.sha256(key.encode()).hexdigest()
    assert is_digest(digest(key))
    assert not is_digest(digest(key).upper())
