"""Contents that are not read at once: of large files, and of files that change all the time."""

from __future__ import annotations

from dataclasses import replace

from service.sentinel.dirty import Dirt, Dirty
from service.sentinel.entry import Entry
from service.sentinel.hashing import Hashing
from service.sentinel.look import LARGE
from service.sentinel.store import ENROLLED, SETTLED, UNTOLD, Known, Pending
from service.sentinel.window import Windows

_AGAIN = 1.0
"""Seconds until a file that changed while it was read is read again."""


class Contents:
    """Lets them be read elsewhere or later."""

    def __init__(self, dirty: Dirty, hashing: Hashing, windows: Windows) -> None:
        self._dirty, self._hashing, self._windows = dirty, hashing, windows

    def of(self, dirt: Dirt, known: Known | None, now: Entry, enrolled: bool) -> tuple[Entry, Pending] | None:
        """What is there, as far as it is known by now; None: there is nothing to tell yet.

        `now` has no hash. `enrolled`: it is to be taken as it is.
        """
        hashed = dirt.hashed
        if hashed and hashed.stamp == now.stamp and hashed.sha256:
            return now._replace(sha256=hashed.sha256), SETTLED
        if now.size > LARGE:
            unchanged = bool(known and known.entry.stamp == now.stamp and not known.pending)
            if unchanged and not dirt.again:
                return None
            self._hashing.add(dirt.path, idly=unchanged)
        else:
            self._dirty.after(_AGAIN, replace(dirt, again=True))
        if enrolled:
            return now, ENROLLED
        window = self._windows.open
        if window and not window.over and window.plan.needs_content(dirt.path):
            return None  # Whether it is what was announced only its content tells.
        return now, UNTOLD
