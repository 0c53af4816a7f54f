"""Reading an answer as it comes: what was thought, what is said, and where a stop string ends it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from service.vision.engine.protocol import Done, Text

_OPEN, _CLOSE = "<think>", "</think>"
_BOX = ("<|begin_of_box|>", "<|end_of_box|>")
_ANSWER = ("<answer>", "</answer>")  # GLM-4.1V writes them around what it says after thinking.
_ENDS_OF_THINKING = (_CLOSE, _BOX[0], _ANSWER[0])


@dataclass(frozen=True)
class Piece:
    """More of what was thought or of what is said, never empty.

    `repeats`: it has gone out as reasoning before, and was the answer. See `Reply`.
    """

    kind: Literal["reasoning", "content"]
    text: str
    repeats: bool = False


class Reply:
    """Splits a text that comes in pieces of any size; the pieces that go out join to the same, however it was cut.

    Thinking may stand only at the beginning. Stop strings count in what is said. Thinking that the model never closed
    although it came to its end was the answer: `end` then says it (once more, for who has been shown it as thinking),
    without markers and up to a stop string; if nothing is left to say, it stays thinking.
    """

    def __init__(self, stops: Sequence[str], thinks_first: bool) -> None:
        self.stopped = False
        self._stops = tuple(stops)
        self._state: Literal["begin", "reasoning", "content"] = "reasoning" if thinks_first else "begin"
        self._markers: tuple[str, ...] = _BOX
        self._held = ""  # May still become a marker.
        self._said = ""  # May still become a stop string.
        self._thought: list[str] = []
        self._blanks: list[str] = []  # At the end of what was thought: dropped if the thinking ends here.
        self._first = True  # Nothing has gone out in this state: blanks at its beginning are dropped.

    def take(self, events: Sequence[Text | Done]) -> list[Piece | Done]:
        """What comes out of them; Done, at the model's end or at a stop string, is the last."""
        pieces: list[Piece] = []
        # How many tokens there are until a stop string is exact; else texts that come together are read as one.
        for event in events if self._stops else _joined(events):
            pieces += self.feed(event.text) if isinstance(event, Text) else self.end(event.reason)
            if self.stopped:
                return [*_merged(pieces), Done("stop", event.tokens, event.at)]
            if isinstance(event, Done):
                return [*_merged(pieces), event]
        return [*_merged(pieces)]

    def feed(self, text: str) -> list[Piece]:
        """Take more text."""
        if self.stopped:
            return []
        self._held += text
        return self._advance(last=False)

    def end(self, reason: Literal["stop", "length"]) -> list[Piece]:
        """The text is complete."""
        if self.stopped:
            return []
        pieces = self._advance(last=True)
        if self._state == "reasoning" and reason == "stop" and self._thought:
            self._begin_answer("".join(self._thought))
            pieces += [replace(piece, repeats=True) for piece in self._say(last=True)]
        return pieces

    def _advance(self, last: bool) -> list[Piece]:
        pieces: list[Piece] = []
        if self._state == "begin" and not self._begin(last):
            return pieces
        if self._state == "reasoning":
            pieces += self._reason(last)
        if self._state == "content":
            pieces += self._say(last)
        return pieces

    def _begin(self, last: bool) -> bool:
        self._held = self._held.lstrip()
        if self._held.startswith(_OPEN):
            self._held, self._state = self._held[len(_OPEN) :], "reasoning"
        elif _OPEN.startswith(self._held) and not last:
            return False
        else:
            self._state = "content"
        return True

    def _reason(self, last: bool) -> list[Piece]:
        at, marker = _find(self._held, _ENDS_OF_THINKING)
        text, self._held = (self._held[:at], self._held[at:]) if marker else _cut(self._held, _ENDS_OF_THINKING, last)
        thought = text.rstrip()
        before, self._blanks = (self._blanks, []) if thought else ([], self._blanks)
        self._blanks.append(text[len(thought) :])
        pieces = self._out("reasoning", "".join([*before, thought]))
        self._thought += [piece.text for piece in pieces]
        if marker:
            self._begin_answer(self._held.removeprefix(_CLOSE))
        return pieces

    def _begin_answer(self, held: str) -> None:
        """What comes now is said; `held` is the beginning of it."""
        self._state, self._first, self._markers = "content", True, _BOX + _ANSWER
        self._held = held

    def _say(self, last: bool) -> list[Piece]:
        if _find(self._held, self._markers)[1]:
            *before, self._held = re.split("|".join(map(re.escape, self._markers)), self._held)
            self._said += "".join(before)
        text, self._held = _cut(self._held, self._markers, last)
        self._said += text
        at, stop = _find(self._said, self._stops)
        text, held = _cut(self._said, self._stops, last)
        if stop and at <= len(text):  # Else one that begins earlier is still possible.
            self.stopped = True
            return self._out("content", self._said[:at])
        self._said = held
        return self._out("content", text)

    def _out(self, kind: Literal["reasoning", "content"], text: str) -> list[Piece]:
        text = text.lstrip() if self._first else text
        self._first = self._first and not text
        return [Piece(kind, text)] if text else []


def _merged(pieces: Iterable[Piece]) -> list[Piece]:
    """One of neighbours of a kind: a word at a time, a client who was slow would get a chunk for each."""
    merged: list[Piece] = []
    for piece in pieces:
        if merged and merged[-1].kind == piece.kind and not piece.repeats:
            merged[-1] = replace(merged[-1], text=merged[-1].text + piece.text)
        else:
            merged.append(piece)
    return merged


def _joined(events: Sequence[Text | Done]) -> list[Text | Done]:
    texts = [event for event in events if isinstance(event, Text)]
    together = [Text("".join([one.text for one in texts]), texts[-1].tokens, texts[-1].at)] if texts else []
    return [*together, *events[len(texts) :]]


def _find(text: str, needles: Iterable[str]) -> tuple[int, str]:
    """Where the first of the needles stands, and which, the longest of several; (-1, "") if none does."""
    first = (-1, "")
    for needle in needles:
        at = text.find(needle)
        if at >= 0 and (first[0] < 0 or (at, -len(needle)) < (first[0], -len(first[1]))):
            first = (at, needle)
    return first


def _cut(text: str, needles: Iterable[str], last: bool) -> tuple[str, str]:
    """Split off the longest end of the text that may be the beginning of a needle."""
    longest = 0 if last else max([_overlap(text, needle) for needle in needles], default=0)
    return text[: len(text) - longest], text[len(text) - longest :]


def _overlap(text: str, needle: str) -> int:
    at = text.find(needle[0], max(0, len(text) - len(needle) + 1))
    while at >= 0 and not needle.startswith(text[at:]):
        at = text.find(needle[0], at + 1)
    return len(text) - at if at >= 0 else 0
