"""Scenes of coloured shapes and their pictures, from a seed."""

from __future__ import annotations

import colorsys
import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("circle", "square", "triangle", "star", "cross")

# Hue in degrees, saturation and value, each from and to. The gaps between them keep every shade's name beyond doubt.
COLOURS: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "red": ((-8, 8), (0.7, 1.0), (0.6, 1.0)),
    "orange": ((22, 39), (0.75, 1.0), (0.85, 1.0)),
    "yellow": ((50, 62), (0.65, 1.0), (0.85, 1.0)),
    "green": ((95, 145), (0.55, 1.0), (0.42, 1.0)),
    "blue": ((205, 242), (0.65, 1.0), (0.5, 1.0)),
    "purple": ((275, 300), (0.55, 1.0), (0.45, 0.95)),
    "black": ((0, 360), (0.0, 0.1), (0.0, 0.12)),
    "white": ((0, 360), (0.0, 0.04), (0.93, 1.0)),
}

MOST_THINGS = 4
ALIKE = 0.4
GAP = 0.03
REACH = 1.25  # The farthest point of any shape, in radii.
SMALLEST, LARGEST = 0.11, (0.38, 0.25, 0.2, 0.18)  # Radii by number of things; 1 is the square root of the area.


@dataclass(frozen=True)
class Thing:
    """One shape: its centre and radius in pixels, its angle in radians."""

    shape: str
    colour: str
    rgb: tuple[int, int, int]
    x: float
    y: float
    radius: float
    angle: float


@dataclass(frozen=True)
class Scene:
    """A canvas in pixels, the colours of its left and right edge, the strength of its noise (0 to 255), its things."""

    width: int
    height: int
    left: tuple[int, int, int]
    right: tuple[int, int, int]
    noise: int
    noise_seed: int
    things: tuple[Thing, ...]


def shade(rng: np.random.Generator, colour: str) -> tuple[int, int, int]:
    """Draw one of a colour's shades, as RGB from 0 to 255."""
    hue, saturation, value = (rng.uniform(*bounds) for bounds in COLOURS[colour])
    red, green, blue = colorsys.hsv_to_rgb(hue % 360 / 360, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def imagine(rng: np.random.Generator, width: int, height: int, count: int | None = None, alike: float = ALIKE) -> Scene:
    """Make up a scene of `count` things (1 to MOST_THINGS, drawn if not given) that do not touch each other.

    Colours are two at most in a share `alike` of the scenes, and so are shapes: else few things would be of a kind.
    """
    count = count or int(rng.integers(1, MOST_THINGS + 1))
    dark = rng.random() < 0.3
    background = (rng.uniform(), rng.uniform(0, 0.12), rng.uniform(0.03, 0.2) if dark else rng.uniform(0.8, 1.0))
    left, right = (_tint(background, rng.uniform(-0.04, 0.04)) for _ in range(2))
    if rng.random() < 0.25:  # A plain sheet, as a person would draw on.
        left = right = (0, 0, 0) if dark else (255, 255, 255)
    colours = _few(rng, [name for name in COLOURS if name != ("black" if dark else "white")], alike)
    shapes = _few(rng, list(SHAPES), alike)
    return Scene(
        width=width,
        height=height,
        left=left,
        right=right,
        noise=int(rng.integers(0, 16)) if rng.random() < 0.5 else 0,
        noise_seed=int(rng.integers(2**32)),
        things=tuple(
            Thing(
                shape=shapes[rng.integers(len(shapes))],
                colour=(colour := colours[rng.integers(len(colours))]),
                rgb=shade(rng, colour),
                x=x,
                y=y,
                radius=radius,
                angle=rng.uniform(0, 2 * math.pi) if rng.random() < 0.8 else 0.0,
            )
            for x, y, radius in _places(rng, width, height, count)
        ),
    )


def paint(scene: Scene) -> Image.Image:
    """Paint a scene as an RGB picture of its width and height; the same scene gives the same pixels."""
    edges = Image.new("RGB", (2, 1))
    edges.putdata([scene.left, scene.right])
    picture = edges.resize((scene.width, scene.height), Image.Resampling.BILINEAR)
    pen = ImageDraw.Draw(picture)
    for thing in scene.things:
        outline(pen, thing, thing.rgb)
    if not scene.noise:
        return picture
    size = (scene.height, scene.width, 3)
    noise = np.random.default_rng(scene.noise_seed).integers(-scene.noise, scene.noise, size, np.int16, endpoint=True)
    return Image.fromarray((np.asarray(picture) + noise).clip(0, 255).astype(np.uint8))


def outline(pen: ImageDraw.ImageDraw, thing: Thing, fill: tuple[int, int, int] | int) -> None:
    """Fill one thing's outline with a colour (or, on a mask, a number)."""
    if thing.shape == "circle":
        pen.circle((thing.x, thing.y), thing.radius, fill=fill)
    else:
        pen.polygon(
            [
                (
                    thing.x + thing.radius * (dx * math.cos(thing.angle) - dy * math.sin(thing.angle)),
                    thing.y + thing.radius * (dx * math.sin(thing.angle) + dy * math.cos(thing.angle)),
                )
                for dx, dy in CORNERS[thing.shape]
            ],
            fill=fill,
        )


def _round(radii: list[float], start: float = -math.pi / 2) -> list[tuple[float, float]]:
    step = 2 * math.pi / len(radii)
    return [
        (radius * math.cos(start + i * step), radius * math.sin(start + i * step)) for i, radius in enumerate(radii)
    ]


_ARM = 0.36
CORNERS = {
    "square": _round([REACH] * 4, start=math.pi / 4),
    "triangle": _round([REACH] * 3),
    "star": _round([REACH, 0.5] * 5),
    "cross": [
        *((_ARM, -1.15), (_ARM, -_ARM), (1.15, -_ARM), (1.15, _ARM), (_ARM, _ARM), (_ARM, 1.15)),
        *((-_ARM, 1.15), (-_ARM, _ARM), (-1.15, _ARM), (-1.15, -_ARM), (-_ARM, -_ARM), (-_ARM, -1.15)),
    ],
}


def _few(rng: np.random.Generator, names: list[str], alike: float) -> list[str]:
    return [str(name) for name in rng.choice(names, 2, replace=False)] if alike and rng.random() < alike else names


def _tint(background: tuple[float, float, float], lighter: float) -> tuple[int, int, int]:
    hue, saturation, value = background
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, min(1.0, max(0.0, value + lighter)))
    return round(red * 255), round(green * 255), round(blue * 255)


def _places(rng: np.random.Generator, width: int, height: int, count: int) -> list[tuple[float, float, float]]:
    unit = math.sqrt(width * height)
    while True:
        places: list[tuple[float, float, float]] = []
        for _ in range(40):
            largest = min(LARGEST[count - 1], 0.95 * min(width, height) / unit / 2 / REACH)
            radius = unit * rng.uniform(SMALLEST, largest)
            edge = radius * REACH
            x, y = rng.uniform(edge, width - edge), rng.uniform(edge, height - edge)
            if count == 1 and rng.random() < 0.2:
                x, y = width * rng.uniform(0.46, 0.54), height * rng.uniform(0.46, 0.54)
            if all(math.hypot(x - a, y - b) > REACH * (radius + r) + GAP * unit for a, b, r in places):
                places.append((x, y, radius))
            if len(places) == count:
                return places
