"""Questions about a scene that have exactly one right answer."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from service.micro.draw import COLOURS, SHAPES, Scene, Thing
from service.micro.words import FORMS, NAMES, PLURALS, Kind, Language

CLEAR = 0.11  # A thing is left of the middle, or of another, if by this share of the width; likewise for height.
CENTRAL = 0.06  # It is in the middle if it is within this share of it.

Value = TypeVar("Value")
_Found = tuple[str, dict[str, str], str] | None  # A form, what fills its blanks, the answer.


@dataclass(frozen=True)
class Question:
    """A question, its kind and language, and its one right answer."""

    kind: Kind
    language: Language
    text: str
    answer: str


def ask(rng: np.random.Generator, scene: Scene, kind: Kind, language: Language) -> Question | None:
    """Ask one question of a kind, or return None if the drawn form has no one clear answer in the scene."""
    asked = {"shape": _shape, "colour": _colour, "count": _count, "position": _position, "scene": _scene}[kind]
    found = asked(rng, scene, language)
    if found is None:
        return None
    form, blanks, answer = found
    text = _pick(rng, FORMS[language][form]).format(**blanks)
    return Question(kind, language, _typed(rng, text), NAMES[language].get(answer, answer))


def place(scene: Scene, thing: Thing) -> str | None:
    """Return the quarter that a thing is in, or "middle", or None if that is not clear."""
    right, down = thing.x / scene.width - 0.5, thing.y / scene.height - 0.5
    if max(abs(right), abs(down)) <= CENTRAL:
        return "middle"
    if min(abs(right), abs(down)) < CLEAR:
        return None
    return f"{'top' if down < 0 else 'bottom'} {'left' if right < 0 else 'right'}"


def _shape(rng: np.random.Generator, scene: Scene, language: Language) -> _Found:
    thing = _pick(rng, scene.things)
    if len(scene.things) == 1 and rng.random() < 0.6:
        return "shape", {}, thing.shape
    if rng.random() < 0.6:
        alone = _alone(thing.colour, (other.colour for other in scene.things))
        return ("shape by colour", {"colour": NAMES[language][thing.colour]}, thing.shape) if alone else None
    where = _own_place(scene, thing)
    return ("shape by place", {"place": NAMES[language][where]}, thing.shape) if where else None


def _colour(rng: np.random.Generator, scene: Scene, language: Language) -> _Found:
    thing = _pick(rng, scene.things)
    if len(scene.things) == 1 and rng.random() < 0.6:
        return "colour", {}, thing.colour
    if rng.random() < 0.6:
        alone = _alone(thing.shape, (other.shape for other in scene.things))
        return ("colour by shape", {"shape": NAMES[language][thing.shape]}, thing.colour) if alone else None
    where = _own_place(scene, thing)
    return ("colour by place", {"place": NAMES[language][where]}, thing.colour) if where else None


def _count(rng: np.random.Generator, scene: Scene, language: Language) -> _Found:
    names = NAMES[language]
    drawn = rng.random()
    if drawn < 0.3:
        return "count", {}, str(len(scene.things))
    present = rng.random() < 0.75
    if drawn < 0.65:
        shape = _pick(rng, scene.things).shape if present else _pick(rng, SHAPES)
        plural = PLURALS[shape] if language == "en" else names[shape]
        number = sum(thing.shape == shape for thing in scene.things)
        return "count by shape", {"shape": names[shape], "shapes": plural}, str(number)
    colour = _pick(rng, scene.things).colour if present else _pick(rng, tuple(COLOURS))
    number = sum(thing.colour == colour for thing in scene.things)
    return "count by colour", {"colour": names[colour]}, str(number)


def _position(rng: np.random.Generator, scene: Scene, language: Language) -> _Found:
    thing = _pick(rng, scene.things)
    name = _refer(rng, scene, thing, language)
    if name is None:
        return None
    if len(scene.things) == 1 or rng.random() < 0.5:
        where = place(scene, thing)
        return ("place", {"thing": name}, where) if where else None
    other = _pick(rng, [other for other in scene.things if other is not thing])
    other_name = _refer(rng, scene, other, language)
    if other_name is None:
        return None
    blanks = {"thing": name, "other": other_name}
    if rng.random() < 0.5:
        right = (thing.x - other.x) / scene.width
        return ("left or right", blanks, "left" if right < 0 else "right") if abs(right) >= CLEAR else None
    down = (thing.y - other.y) / scene.height
    return ("above or below", blanks, "above" if down < 0 else "below") if abs(down) >= CLEAR else None


def _scene(_rng: np.random.Generator, scene: Scene, language: Language) -> _Found:
    things = sorted(scene.things, key=lambda thing: thing.x)
    if any((right.x - left.x) / scene.width < CENTRAL for left, right in itertools.pairwise(things)):
        return None
    names = NAMES[language]
    if language == "zh":
        told = [f"一个{names[thing.colour]}的{names[thing.shape]}" for thing in things]
        return "scene", {}, "和".join(filter(None, ["、".join(told[:-1]), told[-1]]))
    told = [f"{'an' if thing.colour == 'orange' else 'a'} {thing.colour} {thing.shape}" for thing in things]
    return "scene", {}, " and ".join(filter(None, [", ".join(told[:-1]), told[-1]]))


def _own_place(scene: Scene, thing: Thing) -> str | None:
    places = [place(scene, other) for other in scene.things]
    where = place(scene, thing)
    return where if None not in places and _alone(where, places) else None


def _refer(rng: np.random.Generator, scene: Scene, thing: Thing, language: Language) -> str | None:
    """Name one thing so that no other is meant: by shape, by colour, or by both."""
    shape, colour = NAMES[language][thing.shape], NAMES[language][thing.colour]
    of = "的" if language == "zh" else " "
    names = []
    if _alone(thing.shape, (other.shape for other in scene.things)):
        names.append(shape)
    if _alone(thing.colour, (other.colour for other in scene.things)):
        names.append(f"{colour}{of}{'图形' if language == 'zh' else _pick(rng, ('shape', 'one'))}")
    if _alone((thing.shape, thing.colour), ((other.shape, other.colour) for other in scene.things)):
        names.append(f"{colour}{of}{shape}")
    return _pick(rng, names) if names else None


def _alone(value: Value, values: Iterable[Value]) -> bool:
    return list(values).count(value) == 1


def _pick(rng: np.random.Generator, values: tuple[Value, ...] | list[Value]) -> Value:
    return values[rng.integers(len(values))]


def _typed(rng: np.random.Generator, text: str) -> str:
    """Type as people do: now and then without the closing mark, without a capital, or with American spelling."""
    if rng.random() < 0.3:
        text = text.replace("colour", "color")
    if rng.random() < 0.1:
        text = text[:-1]
    return text[0].lower() + text[1:] if rng.random() < 0.1 else text
