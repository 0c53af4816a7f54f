"""Each answer follows from the scene, reckoned here in another way."""

import numpy as np
import pytest

from service.micro.draw import Scene, Thing, imagine
from service.micro.questions import Question, ask, place
from service.micro.words import KINDS, LANGUAGES, NAMES, PLURALS, Kind, Language


def some(kind: Kind, language: Language, number: int) -> list[tuple[Scene, Question]]:
    found = []
    for seed in range(20 * number):
        rng = np.random.default_rng(seed)
        scene = imagine(rng, 200, 160)
        question = ask(rng, scene, kind, language)
        if question:
            found.append((scene, question))
    return found[:number]


@pytest.mark.long
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_shape_and_the_colour_are_of_one_thing_that_is_meant(language: Language) -> None:
    names = NAMES[language]
    for asked, told in (("shape", "colour"), ("colour", "shape")):
        for scene, question in some("shape" if asked == "shape" else "colour", language, 40):
            named = [thing for thing in scene.things if names[getattr(thing, told)] in question.text]
            placed = [
                thing for thing in scene.things if names.get(place(scene, thing) or "", "nowhere") in question.text
            ]
            meant = list(named or placed or scene.things)
            assert len(meant) == 1
            assert question.answer == names[getattr(meant[0], asked)]


@pytest.mark.long
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_count_is_of_what_is_named(language: Language) -> None:
    names = NAMES[language]
    for scene, question in some("count", language, 60):
        text = question.text.replace("图形", "").replace("shapes", "").lower()
        shapes = [shape for shape in PLURALS if (PLURALS[shape] if language == "en" else names[shape]) in text]
        colours = [thing.colour for thing in scene.things if names[thing.colour] in text]
        if shapes:
            assert int(question.answer) == sum(thing.shape == shapes[0] for thing in scene.things)
        elif any(name in text for key, name in names.items() if key not in PLURALS):
            assert int(question.answer) == len(colours)
        else:
            assert int(question.answer) == len(scene.things)


def test_a_place_is_a_quarter_the_middle_or_not_clear() -> None:
    def at(x: float, y: float) -> str | None:
        thing = Thing("circle", "red", (255, 0, 0), x, y, 10, 0)
        return place(Scene(100, 100, (255, 255, 255), (255, 255, 255), 0, 0, (thing,)), thing)

    assert [at(20, 20), at(80, 20), at(20, 80), at(80, 80)] == ["top left", "top right", "bottom left", "bottom right"]
    assert at(50, 52) == "middle"
    assert at(50, 20) is None


def test_a_side_is_of_the_first_thing() -> None:
    left = Thing("circle", "red", (255, 0, 0), 20, 50, 10, 0)
    right = Thing("star", "blue", (0, 0, 255), 80, 50, 10, 0)
    scene = Scene(100, 100, (255, 255, 255), (255, 255, 255), 0, 0, (left, right))
    asked = [ask(np.random.default_rng(seed), scene, "position", "en") for seed in range(200)]
    sides = [question for question in asked if question and "left" in question.text]
    assert sides
    for question in sides:
        first = min(
            (name for name in ("circle", "red", "star", "blue") if name in question.text), key=question.text.find
        )
        assert question.answer == ("left" if first in ("circle", "red") else "right")


@pytest.mark.parametrize("kind", KINDS)
def test_a_seed_gives_the_same_question(kind: Kind) -> None:
    scene = imagine(np.random.default_rng(1), 200, 160, 2)
    first, again = (ask(np.random.default_rng(5), scene, kind, "zh") for _ in range(2))
    assert first == again
