"""What was thought, what is said, and where it stops, however the text is cut."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.vision.engine.protocol import Done, Text
from service.vision.reply import Piece, Reply

FRAGMENTS = (
    "<think>",
    "</think>",
    "<|begin_of_box|>",
    "<|end_of_box|>",
    "<answer>",
    "<th",
    "<|be",
    "red",
    " ",
    "\n",
    "STOP",
    "STO",
    "<",
)
texts = st.lists(st.sampled_from(FRAGMENTS), max_size=10).map("".join)
thoughts = st.lists(
    st.sampled_from([one for one in FRAGMENTS if one not in ("</think>", "<|begin_of_box|>", "<answer>")]), max_size=10
).map("".join)
"""Nothing in them ends the thinking."""
stops = st.lists(st.sampled_from(("STOP", "OPS", "red", "d S", "TO", "<|")), max_size=3)


def pieces(parts: list[str], stops: list[str] | None = None, reason: str = "stop", first: bool = False) -> list[Piece]:
    reply = Reply(stops or [], first)
    said = [piece for part in parts for piece in reply.feed(part)]
    return said + reply.end("length" if reason == "length" else "stop")


def joined(found: list[Piece]) -> tuple[str, str]:
    reasoning, content = (
        "".join(piece.text for piece in found if piece.kind == kind) for kind in ("reasoning", "content")
    )
    return reasoning, content


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("red", ("", "red")),
        ("\nred\n", ("", "red\n")),
        ("<think>hm</think>red", ("hm", "red")),
        ("\n<think>\nhm\n</think>\n\nred", ("hm", "red")),
        ("<think></think>red", ("", "red")),
        ("<think>hm <|begin_of_box|>red<|end_of_box|>", ("hm", "red")),
        ("<think>hm</think><answer><|begin_of_box|>red<|end_of_box|></answer>", ("hm", "red")),
        ("<think>It is red", ("It is red", "It is red")),
        ("a <think>b</think> c", ("", "a <think>b</think> c")),
        ("<answer>x</answer>", ("", "<answer>x</answer>")),
        ("<thi", ("", "<thi")),
        ("the box <|begin_of_box|>4<|end_of_box|> it is", ("", "the box 4 it is")),
        ("", ("", "")),
    ],
)
def test_thinking_and_answer(text: str, expected: tuple[str, str]) -> None:
    assert joined(pieces([text])) == expected


def test_thinking_that_is_cut_by_the_length_is_no_answer() -> None:
    assert joined(pieces(["<think>It is r"], reason="length")) == ("It is r", "")


def test_thinking_that_was_the_answer_is_marked_as_a_repetition() -> None:
    assert pieces(["<think>red"])[-1] == Piece("content", "red", repeats=True)


@given(thought=thoughts, stops=stops)
def test_thinking_that_was_the_answer_is_said_as_if_it_had_been_closed_before(thought: str, stops: list[str]) -> None:
    unclosed, closed = (pieces([f"<think>{close}{thought.rstrip()}"], stops) for close in ("", "</think>"))
    assert joined(unclosed)[1] == joined(closed)[1]
    assert all(piece.repeats for piece in unclosed if piece.kind == "content")


def test_a_stop_string_ends_thinking_that_was_the_answer() -> None:
    taken = Reply(["."], thinks_first=True).take([Text("red. Or", 3), Text(" not", 4), Done("stop", 5)])
    said = [(one.kind, one.text) if isinstance(one, Piece) else one.reason for one in taken]
    assert said == [("reasoning", "red. Or not"), ("content", "red"), "stop"]


def test_a_prompt_may_have_opened_the_thinking() -> None:
    assert joined(pieces(["hm</think>red"], first=True)) == ("hm", "red")


@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        ("red. blue.", ["."], "red"),
        ("abcd", ["bc", "abcd"], ""),
        ("abcx", ["bc", "abcd"], "a"),
        ("never", ["comes"], "never"),
        ("<|begin_of_box|>S<|end_of_box|>TOP", ["STOP"], ""),
    ],
)
def test_stop_strings(text: str, stops: list[str], expected: str) -> None:
    assert joined(pieces([text], stops))[1] == expected


def test_thinking_of_nothing_but_markers_ends_at_once() -> None:
    """Control: what is looked through once takes as long for each marker, whatever there is of them."""

    def seconds(markers: int) -> float:
        began = time.process_time()
        assert joined(pieces(["<think>a" + "</answer>" * markers]))[1] == "a"
        return time.process_time() - began

    assert seconds(32_000) < 50 * max(seconds(2_000), 0.001)


def test_a_stop_string_in_the_thinking_stops_nothing() -> None:
    assert joined(pieces(["<think>a STOP b</think>c STOP d"], ["STOP"])) == ("a STOP b", "c ")


@given(text=texts, stops=stops, reason=st.sampled_from(("stop", "length")), first=st.booleans(), data=st.data())
def test_the_cut_changes_nothing(text: str, stops: list[str], reason: str, first: bool, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8)))
    parts = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert joined(pieces(parts, stops, reason, first)) == joined(pieces([text], stops, reason, first))


@given(text=texts, stops=stops, first=st.booleans())
def test_no_stop_string_and_no_marker_is_ever_said(text: str, stops: list[str], first: bool) -> None:
    found = pieces(list(text), stops, first=first)
    content = joined(found)[1]
    assert not any(stop in content for stop in stops)
    assert not any(marker in content for marker in ("<|begin_of_box|>", "<|end_of_box|>"))
    assert all(piece.text for piece in found)
