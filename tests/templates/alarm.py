"""Figures that must set an alarm off and figures that must not."""

from dataclasses import dataclass, field

Series = dict[str, str]
"""Of the host gpu1, in promtool's notation: a figure a minute, from 1970 on."""


@dataclass(frozen=True)
class Alarm:
    """`after` is when one looks; `labels`: what it names besides the job and its severity."""

    bad: Series
    good: Series
    after: str = "30m"
    labels: dict[str, str] = field(default_factory=lambda: {"instance": "gpu1"})
