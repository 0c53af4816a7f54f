"""Stand-ins for texts: never one that occurs in a text, and every one is told from what is only like it."""

import pytest

from service.vision.engine.protocol import JobRefused
from service.vision.engine.stand_ins import StandIns

PRIVATE = "".join(map(chr, (*range(0xF0000, 0xFFFFE), *range(0x100000, 0x10FFFE))))


def test_each_text_comes_back_in_its_places() -> None:
    texts = ["a", PRIVATE[0], f"{PRIVATE[1]}{PRIVATE[-1]}"]
    stand_ins = StandIns(texts)
    a, b, c = map(stand_ins.put, texts)
    assert len({a, b, c, *PRIVATE[:2], PRIVATE[-1]}) == 6
    assert stand_ins.spans(f"{b}x{a}{a}") == [(texts[1], True), ("x", False), ("a", True), ("a", True)]
    assert stand_ins.put("") == ""
    assert stand_ins.spans("") == []


@pytest.mark.parametrize("stranger", [PRIVATE[1], PRIVATE[0xFFFD], PRIVATE[0xFFFE], PRIVATE[-1]])
def test_one_that_stands_for_nothing_is_refused(stranger: str) -> None:
    stand_ins = StandIns(["a"])
    with pytest.raises(JobRefused, match="adds private characters"):
        stand_ins.spans(f"{stand_ins.put('a')}{stranger}")


def test_more_texts_than_stand_ins_are_refused() -> None:
    stand_ins = StandIns(["a", PRIVATE[:-2]])
    assert [stand_ins.put("a"), stand_ins.put("a")] == list(PRIVATE[-2:])
    with pytest.raises(JobRefused, match="the 2 that can be told apart; next: ") as refused:
        stand_ins.put("a")
    assert (refused.value.code, refused.value.param) == ("invalid_value", "messages")
