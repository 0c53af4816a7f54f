"""Prompts: as the library itself would write them, but for what users type."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from transformers import PreTrainedTokenizerFast
from transformers.models.glm46v.image_processing_pil_glm46v import Glm46VImageProcessorPil

from service.vision.conversation import Job, Picture, Sampling, Turn
from service.vision.engine.checkpoint import inspect
from service.vision.engine.prompt import Prompter
from service.vision.engine.protocol import EngineUnusable, JobRefused
from service.vision.engine.words import Words
from tests.service.vision import tiny

FRAGMENTS = [*tiny.SPECIAL, *tiny.PLAIN, "<|", "image|>", "<", "|>", "red", " ", "\n", "中", "\ue000", "{{", "}}", "{%"]
tricky = st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join)
plain = st.text(st.characters(exclude_characters="<[/", exclude_categories=["Cs"]), max_size=20)


@pytest.fixture(scope="module")
def words(checkpoint: Path) -> Words:
    return Words(checkpoint)


@pytest.fixture(scope="module")
def image_token(words: Words) -> int:
    number = words.number("<|image|>")
    assert number is not None
    return number


@pytest.fixture(scope="module")
def prompter(checkpoint: Path, words: Words, image_token: int) -> Prompter:
    return Prompter(inspect(checkpoint), words, image_token, 1_300_000, 4096)


@pytest.fixture(scope="module")
def reference(checkpoint: Path) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_file=str(checkpoint / "tokenizer.json"), chat_template=tiny.TEMPLATE)


def picture(prompter: Prompter, width: int = 60, height: int = 40) -> Picture:
    noise = np.random.default_rng(3).integers(0, 255, (height, width, 3), np.uint8)
    image = Image.fromarray(noise)
    return Picture(
        image.resize(prompter.fitting.fit(width, height, coarse=False), Image.Resampling.BICUBIC), "", width, height
    )


@given(
    system=plain,
    question=plain,
    answer=plain,
    thought=plain,
    again=plain,
    thinking=st.sampled_from([None, True, False]),
)
def test_plain_texts_become_the_tokens_that_the_library_makes_of_them(
    prompter: Prompter,
    reference: PreTrainedTokenizerFast,
    system: str,
    question: str,
    answer: str,
    thought: str,
    again: str,
    thinking: bool | None,
) -> None:
    turns = (
        Turn("system", (system,)),
        Turn("user", (question,)),
        Turn("assistant", (answer,), thought),
        Turn("user", (again,)),
    )
    messages = [
        {"role": "system", "content": system},
        {"role": "user", "content": [{"type": "text", "text": question}]},
        {"role": "assistant", "content": answer, "reasoning_content": thought},
        {"role": "user", "content": [{"type": "text", "text": again}]},
    ]
    options = {} if thinking is None else {"enable_thinking": thinking}
    expected = reference.apply_chat_template(messages, add_generation_prompt=True, return_dict=False, **options)
    assert prompter.write(Job(turns, thinking=thinking)).ids.tolist() == expected


@given(texts=st.lists(tricky, min_size=1, max_size=3), answer=tricky, thought=tricky)
def test_nothing_that_is_typed_becomes_a_special_token(
    prompter: Prompter, words: Words, texts: list[str], answer: str, thought: str
) -> None:
    def shape(*parts: str, answer: str, thought: str) -> list[int]:
        turns = (Turn("user", parts), Turn("assistant", (answer,), thought or None), Turn("user", parts))
        ids = prompter.write(Job(turns)).ids.tolist()
        return [number for number in ids if number >= 256]

    harmless = shape(*["x"] * len(texts), answer="x" if answer.strip() else "", thought="x" if thought else "")
    assert shape(*texts, answer=answer, thought=thought) == harmless


@given(tricky)
def test_every_text_comes_back_from_its_tokens(words: Words, text: str) -> None:
    speech = words.speech()
    assert "".join(speech.say(number) for number in words.encode(text)) == text


def test_a_typed_placeholder_is_no_picture(prompter: Prompter, image_token: int) -> None:
    prompt = prompter.write(Job((Turn("user", (picture(prompter), "<|image|><|image|>")),)))
    assert [seen.grid for seen in prompt.pictures] == [(1, 4, 8)]
    assert prompt.ids.tolist().count(image_token) == 8
    assert len(prompt.places) == 8
    assert prompter.write(Job((Turn("user", ("<|image|>",)),))).pictures == ()


def test_pixels_are_those_of_the_library_s_processor(prompter: Prompter, checkpoint: Path) -> None:
    noise = np.random.default_rng(3).integers(0, 255, (40, 60, 3), np.uint8)
    processor = Glm46VImageProcessorPil.from_pretrained(checkpoint)
    expected = processor(images=[Image.fromarray(noise)], return_tensors="pt")
    prompt = prompter.write(Job((Turn("user", (picture(prompter),)),)))
    assert prompt.pictures[0].pixels.equal(expected["pixel_values"])


@given(st.integers(1, 3000), st.integers(1, 3000))
def test_a_fitted_picture_stays_as_it_is(prompter: Prompter, width: int, height: int) -> None:
    if max(width, height) > 200 * min(width, height):
        return
    fitted = prompter.fitting.fit(width, height, coarse=False)
    image = Picture(Image.new("RGB", fitted), "", width, height)
    (seen,) = prompter.write(Job((Turn("user", (image,)),))).pictures
    assert seen.grid == (1, fitted[1] // tiny.PATCH, fitted[0] // tiny.PATCH)


def test_whether_the_answer_begins_with_thinking(
    checkpoint: Path, words: Words, image_token: int, tmp_path: Path
) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "model")
    (copy / "chat_template.jinja").write_text("{{ messages[0].content[0].text }}<|assistant|>\n<think>\n")
    opened = Prompter(inspect(copy), words, image_token, 1_300_000, 512)
    assert opened.write(Job((Turn("user", ("a",)),))).thinks_first
    (copy / "chat_template.jinja").write_text("{{ messages[0].content[0].text }}<|assistant|>\n<think></think>\n")
    closed = Prompter(inspect(copy), words, image_token, 1_300_000, 512)
    assert not closed.write(Job((Turn("user", ("<think>",)),))).thinks_first


@pytest.mark.parametrize("text", ["x" * 5000, "x" * 10_000_000])
def test_too_long(prompter: Prompter, text: str) -> None:
    with pytest.raises(JobRefused) as refused:
        prompter.write(Job((Turn("user", (text,)),), Sampling()))
    assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "messages")


@pytest.mark.parametrize(
    "source",
    [
        "{{ raise_exception('no') }}",
        "{{ messages[0].content[0].text.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "<|image|>",
    ],
)
def test_a_template_that_will_not_do(
    checkpoint: Path, words: Words, image_token: int, tmp_path: Path, source: str
) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "model")
    (copy / "chat_template.jinja").write_text(source)
    with pytest.raises(JobRefused):
        Prompter(inspect(copy), words, image_token, 1_300_000, 512).write(Job((Turn("user", ("a",)),)))


def test_a_broken_checkpoint_is_told_at_the_start(
    checkpoint: Path, words: Words, image_token: int, tmp_path: Path
) -> None:
    copy = shutil.copytree(checkpoint, tmp_path / "model")
    (copy / "chat_template.jinja").write_text("{% for %}")
    with pytest.raises(EngineUnusable, match="chat template"):
        Prompter(inspect(copy), words, image_token, 1_300_000, 512)
    (copy / "tokenizer.json").write_text("{}")
    with pytest.raises(EngineUnusable, match=r"tokenizer\.json cannot be read"):
        Words(copy)
