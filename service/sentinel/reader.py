"""From the kernel's queue to what is dirty, and nothing else on the way."""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Callable

from service.sentinel.dirty import Dirty
from service.sentinel.event import Gap, Named, Source
from service.sentinel.territory import Territory
from service.sentinel.tick import SIGN
from service.sentinel.who import Asked

_REST = 0.01
"""Seconds. A mark on a file system wakes the reader for everybody's writes there: once in a while will do for those."""


class Reader(threading.Thread):
    """`gap` is called for each of the source's, and where there is no place for one more dirty path."""

    def __init__(
        self,
        source: Source,
        dirty: Dirty,
        territory: Callable[[], Territory],
        gap: Callable[[Gap], None],
        named: Callable[[Named], None],
        who: Asked | None,
    ) -> None:
        super().__init__(name="reader", daemon=True)
        self._source, self._dirty, self._territory, self._gap, self._who = source, dirty, territory, gap, who
        self._named = named
        self._closed = False
        self._close = os.eventfd(0, os.EFD_CLOEXEC)
        self.events = 0
        self.alive = time.monotonic()
        """When it last asked the kernel, monotonic."""

    def close(self) -> None:
        self._closed = True
        os.eventfd_write(self._close, 1)
        self.join()
        os.close(self._close)

    def run(self) -> None:
        poll = select.poll()
        poll.register(self._source.fileno(), select.POLLIN | select.POLLPRI)
        poll.register(self._close, select.POLLIN)
        while not self._closed:
            self.alive = time.monotonic()
            if poll.poll(SIGN * 1000) and not self._read():
                time.sleep(_REST)

    def _read(self) -> bool:
        """Whether there was anything of interest."""
        territory = self._territory()
        told = self._source.read()
        for one in told:
            if isinstance(one, Gap):
                self._gap(one)
                continue
            if isinstance(one, Named):
                self._named(one)
                continue
            self.events += 1
            watched = territory.of(one.path)
            if watched is None:
                continue
            who = self._who.of(one.pid) if self._who and one.pid else None
            if not self._dirty.event(watched.kept_at(one.path), one, who):
                self._gap(Gap(watched.root, "more changed at once than can be kept in mind", one.at))
        return bool(told)
