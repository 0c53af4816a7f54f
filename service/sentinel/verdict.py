"""Whether a change was announced, and what it is inside a container."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from service.sentinel.change import Change
from service.sentinel.containers import Meaning
from service.sentinel.dirty import Dirt
from service.sentinel.record import Finding
from service.sentinel.territory import Watched
from service.sentinel.window import Windows

_PATIENCE, _AGAIN = 10.0, 1.0
"""Seconds that a package's file may wait for dpkg to say whose it is, and between two looks."""
_MOMENT = 0.4
"""Seconds that a path which a deploy announced may take to become what was announced."""


class Verdicts:
    """By the open window. `meanings`: what a path of the host is in the running containers."""

    def __init__(self, windows: Windows, meanings: Callable[[bytes], Sequence[Meaning]]) -> None:
        self._windows, self._meanings = windows, meanings

    def of(self, change: Change, watched: Watched) -> list[Finding]:
        """One; of a container's file one for each container that sees it and in which it may not change."""
        if not watched.container:
            return [Finding(change, watched.severity, self._windows.planned_by(change))]
        found = []
        for meaning in self._meanings(change.path):
            if not meaning.expected:
                what = "removed" if meaning.shows == "removed" else change.what
                one = replace(change, what=what, container=meaning.container, inside=meaning.inside)
                found.append(Finding(one, watched.severity, self._windows.planned_by(one)))
        return found

    def patience(self, dirt: Dirt) -> float:
        """Seconds to wait before it is judged again, for it may be announced yet; 0: it is what it is.

        While packages are installed their lists come a moment after their files; owner and mode come one by one.
        """
        window = self._windows.open
        if window is None or window.over or not (window.plan.packages or window.plan.names(dirt.path)):
            return 0.0
        patience, again = (_PATIENCE, _AGAIN) if window.plan.packages else (_MOMENT, _MOMENT / 4)
        return again if not dirt.since or time.monotonic() - dirt.since < patience else 0.0
