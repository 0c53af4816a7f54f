"""Scenes come from their seed alone, and keep their promises about places and shades."""

import colorsys
import itertools
import math

import numpy as np
import pytest

from service.micro.draw import COLOURS, GAP, MOST_THINGS, REACH, imagine, paint, shade


@pytest.mark.parametrize("seed", range(5))
def test_a_seed_gives_the_same_picture(seed: int) -> None:
    first, again = (paint(imagine(np.random.default_rng(seed), 160, 120)) for _ in range(2))
    assert first.size == (160, 120)
    assert first.tobytes() == again.tobytes()


def test_another_seed_gives_another_picture() -> None:
    pictures = {paint(imagine(np.random.default_rng(seed), 100, 100)).tobytes() for seed in range(20)}
    assert len(pictures) == 20


@pytest.mark.parametrize("count", range(1, MOST_THINGS + 1))
def test_things_are_whole_and_do_not_touch(count: int) -> None:
    for seed in range(20):
        scene = imagine(np.random.default_rng(seed), 240, 150, count)
        assert len(scene.things) == count
        for thing in scene.things:
            assert thing.radius <= thing.x <= scene.width - thing.radius
            assert thing.radius <= thing.y <= scene.height - thing.radius
        for one, other in itertools.combinations(scene.things, 2):
            apart = math.hypot(one.x - other.x, one.y - other.y)
            assert apart > REACH * (one.radius + other.radius) + GAP * 150


@pytest.mark.parametrize("colour", COLOURS)
def test_a_shade_is_within_its_colour(colour: str) -> None:
    (low, high), _, _ = COLOURS[colour]
    for seed in range(50):
        red, green, blue = shade(np.random.default_rng(seed), colour)
        hue = colorsys.rgb_to_hsv(red, green, blue)[0] * 360
        assert colour in ("black", "white") or (hue - low + 1) % 360 <= high - low + 2


def test_a_thing_is_painted_where_it_is() -> None:
    scene = imagine(np.random.default_rng(3), 200, 200)
    picture = paint(scene)
    for thing in scene.things:
        seen = picture.getpixel((round(thing.x), round(thing.y)))
        assert isinstance(seen, tuple)
        assert max(abs(a - b) for a, b in zip(seen, thing.rgb, strict=True)) <= scene.noise
