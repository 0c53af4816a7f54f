"""Questions about a scene that have exactly one right answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from service.micro.draw import COLOURS, SHAPES, Scene, Thing
from service.micro.words import FORMS, NAMES, PLURALS, Kind, Language

CLEAR = 0.11  # A thing is left of the middle, or of another, if by this share of the width; likewise for height.
CENTRAL = 0.06  # It is in the middle if it is within this share of it.


@dataclass(frozen=True)
class Question:
    """A question, its kind and language, and its one right answer."""

    kind: Kind
    language: Language
    text: str
    answer: str


def ask(rng: np.random.Generator, scene: Scene, kind: Kind, language: Language) -> Question | None:
    """Ask one question of a kind, or return None if the scene allows none with one clear answer."""
    found = {"shape": _shape, "colour": _colour, "count": _count, "position": _position, "scene": _scene}[kind](rng, scene)
    if found is None:
        return None
    form, told, answer = found
    names = NAMES[language]
    blanks = {blank: _say(value, language) for blank, value in told.items()}
    if "shape" in told:
        blanks["shapes"] = PLURALS[str(told["shape"])] if language == "en" else blanks["shape"]
    text = _pick(rng, FORMS[language][form]).format(**blanks)
    return Question(kind, language, _typed(rng, text), answer if answer.isdigit() else _say(answer, language, names))


def place(scene: Scene, thing: Thing) -> str | None:
    """Return the quarter that a thing is in, or "middle", or None if that is not clear."""
    right, down = thing.x / scene.width - 0.5, thing.y / scene.height - 0.5
    if max(abs(right), abs(down)) <= CENTRAL:
        return "middle"
    if min(abs(right), abs(down)) < CLEAR:
        return None
    return f"{'top' if down < 0 else 'bottom'} {'left' if right < 0 else 'right'}"
