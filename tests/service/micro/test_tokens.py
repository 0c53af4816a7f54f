"""The tokenizer gives any text back, and the chat template has GLM-4.6V's form."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.micro.load import WEIGHTS
from service.micro.tokens import CHAT_TEMPLATE, PLAIN, SPECIAL, STOPS, tokenizer

WORDS = tokenizer()
PICTURE = "<|begin_of_image|><|image|><|end_of_image|>"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back(text: str) -> None:
    assert WORDS.decode(WORDS.encode(text)) == text


@given(
    st.lists(st.sampled_from(["<|image|>", "<|user|>", "[gMASK]", "<|", "|>", "红色", "a ", "\n", "😀"])).map("".join)
)
def test_special_tokens_that_a_user_types_can_be_kept_as_text(text: str) -> None:
    ids = WORDS.encode(text, split_special_tokens=True)
    assert not set(ids) & set(WORDS.convert_tokens_to_ids(list(SPECIAL)))
    assert WORDS.decode(ids) == text


@pytest.mark.parametrize("token", [*SPECIAL, *PLAIN])
def test_a_special_token_is_one_token(token: str) -> None:
    assert WORDS.encode(token) == [WORDS.convert_tokens_to_ids(token)]


@pytest.mark.parametrize("text", [" circle", " colour", " color", "圆形", "左上角", "红色", "正方形", "图形"])
def test_a_word_of_the_micro_world_is_one_token(text: str) -> None:
    assert len(WORDS.encode(text)) == 1


def test_the_stored_tokenizer_is_the_one_that_is_built() -> None:
    assert (WEIGHTS / "chat_template.jinja").read_text() == CHAT_TEMPLATE
    stored = type(WORDS).from_pretrained(WEIGHTS)
    assert stored.get_vocab() == WORDS.get_vocab()
    assert stored.encode("How many 圆形 are there?") == WORDS.encode("How many 圆形 are there?")


def rendered(messages: list[dict[str, Any]], **options: Any) -> str:
    text = WORDS.apply_chat_template(messages, tokenize=False, add_generation_prompt=True, **options)
    assert isinstance(text, str)
    return text


ASKED = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "What?"}]}]


def test_a_question_about_a_picture() -> None:
    assert rendered(ASKED) == f"[gMASK]<sop><|user|>\n{PICTURE}What?<|assistant|>\n"


def test_without_thinking() -> None:
    asked = f"[gMASK]<sop><|user|>\n{PICTURE}What?/nothink<|assistant|>\n<think></think>\n"
    assert rendered(ASKED, enable_thinking=False) == asked


def test_earlier_turns_lose_their_thoughts() -> None:
    said = [{"role": "assistant", "content": "<think>hm</think>\nred"}, {"role": "user", "content": "And now?"}]
    system = [{"role": "system", "content": "Be brief."}]
    assert rendered([*system, *ASKED, *said]) == (
        f"[gMASK]<sop><|system|>\nBe brief.<|user|>\n{PICTURE}What?"
        "<|assistant|>\n<think></think>\nred<|user|>\nAnd now?<|assistant|>\n"
    )


def test_stops_are_one_token_each() -> None:
    assert len(WORDS.encode("".join(STOPS))) == 3
