"""One measured figure."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """`goal` is the largest good value (`at_least`: the smallest), None where there is none; `peer` names a rival."""

    name: str
    value: float
    unit: str
    goal: float | None = None
    met: bool | None = None
    peer: str | None = None


def at_most(name: str, value: float, unit: str, goal: float) -> Figure:
    """A figure that should be small."""
    return Figure(name, round(value, 3), unit, goal, value <= goal)


def at_least(name: str, value: float, unit: str, goal: float) -> Figure:
    """A figure that should be large."""
    return Figure(name, round(value, 4), unit, goal, value >= goal)


def plain(name: str, value: float, unit: str, peer: str | None = None) -> Figure:
    """A figure without a goal."""
    return Figure(name, round(value, 3), unit, peer=peer)
