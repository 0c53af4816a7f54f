"""From the ledger to the outlets."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from service.ledger import LedgerError
from service.ledger.chain import RESERVED, parse
from service.ledger.head import observe
from service.ledger.tail import last
from service.sentinel.configuration import Outlets
from service.sentinel.outlets.grouping import Grouping
from service.sentinel.outlets.journald import Journald
from service.sentinel.outlets.message import RANKS, Message, Told
from service.sentinel.outlets.outlet import Condition, Outlet, Receiver
from service.sentinel.outlets.prometheus import Alertmanager
from service.sentinel.outlets.spool import Spool
from service.sentinel.outlets.syslog import Syslog
from service.sentinel.outlets.webhook import Webhook

QUIET = frozenset({"planned", "burst", "heartbeat", "swept"})
"""Events for the ledger alone."""
_MOST_MISSED = 20_000  # Lines, of a process that was killed in a burst: more were not waiting for their message.
_LONGEST_WAIT = 60.0  # Seconds; the cursor then passes the quiet lines.
_CLOSE_SECONDS = 3.0


def receivers(chosen: Outlets, state_dir: Path, journal: Path) -> list[Receiver]:
    """The journal always, the others as the settings say."""
    found: list[Receiver] = [Journald(journal)]
    if chosen.webhook:
        found.append(Webhook(**chosen.webhook))
    if chosen.syslog:
        found.append(Syslog(**chosen.syslog))
    if chosen.alertmanager:
        found.append(Alertmanager(**chosen.alertmanager, state=state_dir / "alertmanager" / "firing"))
    return found


class Dispatch:
    """Groups lines and gives each outlet its copy. `offer` costs microseconds and waits for nobody.

    In `state_dir` it keeps the number of the last line that every spool has: what a killed process had recorded and
    not spooled yet is read from the ledger at the next start. A message may come twice, none is missing.
    """

    def __init__(
        self,
        receivers: Sequence[Receiver],
        state_dir: Path,
        group_seconds: float,
        said: Callable[[str, str, dict[str, object]], None],
    ) -> None:
        self._cursor = state_dir / "cursor"
        self._grouping = Grouping(socket.gethostname(), group_seconds)
        self._outlets = [Outlet(one, Spool(state_dir / one.name), said) for one in receivers]
        self._newest = -1
        self._kept = -2
        self._wake = threading.Event()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="outlets", daemon=True)

    def start(self, ledger: Path) -> None:
        """Take up what the process before this one left, then begin."""
        known = self._read_cursor()
        if known is None:
            self._write_cursor(_end(ledger))
        else:
            for told in _missed(ledger, known):
                self.offer([told])
        self._thread.start()
        for outlet in self._outlets:
            outlet.start()

    def offer(self, lines: Sequence[Told]) -> None:
        """Tell these lines, which are newer than all before, in time; those of quiet events are left out."""
        loud = [told for told in lines if told.event not in QUIET]
        if loud:
            self._grouping.add(loud, time.monotonic())
        self._newest = max([self._newest, *(told.seq for told in lines if told.seq is not None)])
        if loud:
            self._wake.set()

    def conditions(self) -> list[Condition]:
        return [outlet.condition() for outlet in self._outlets]

    def close(self) -> None:
        """Deliver what can be delivered within seconds; the rest is kept for the next start."""
        self._closing = True
        self._wake.set()
        self._thread.join()
        end = time.monotonic() + _CLOSE_SECONDS
        for outlet in self._outlets:
            outlet.close(max(0, end - time.monotonic()))

    def _run(self) -> None:
        while not self._closing:
            wait = self._grouping.wait(time.monotonic())
            self._wake.wait(_LONGEST_WAIT if wait is None else min(wait, _LONGEST_WAIT))
            self._wake.clear()
            self._spool(self._grouping.due(time.monotonic()))
        self._spool(self._grouping.due(time.monotonic(), all_of_them=True))

    def _spool(self, messages: list[Message]) -> None:
        newest = self._newest
        for message in messages:
            for outlet in self._outlets:
                if message.detail.get("outlet") != outlet.receiver.name:  # Of its own trouble it would tell for ever.
                    outlet.put(message)
        oldest = self._grouping.oldest()
        self._write_cursor(newest if oldest is None else min(newest, oldest - 1))

    def _read_cursor(self) -> int | None:
        try:
            return int(json.loads(self._cursor.read_text(encoding="ascii"))["seq"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def _write_cursor(self, seq: int) -> None:
        if seq <= self._kept:
            return
        new = self._cursor.with_suffix(".new")
        with contextlib.suppress(OSError):  # The next start then tells more of it again.
            new.write_text(json.dumps({"seq": seq}), encoding="ascii")
            new.replace(self._cursor)
            self._kept = seq


def recorded(ledger: Path, most: int) -> Iterator[Told]:
    """The last lines of a ledger, at most so many; none when it cannot be read."""
    try:
        lines = last(ledger, most)
    except OSError:
        return
    yield from (told for line in lines if (told := _told(parse(line))))


def _end(ledger: Path) -> int:
    """The number of the last line, -1 when there is none."""
    try:
        head, _ = observe(ledger)
    except (OSError, LedgerError):
        return -1
    return head.seq - 1 if head else -1


def _missed(ledger: Path, known: int) -> Iterator[Told]:
    """Lines after number `known`. How many they are is not asked of the head, which may be behind them."""
    count = 500
    while count < _MOST_MISSED and next((_number(told) for told in recorded(ledger, count)), known + 2) > known + 1:
        count *= 2
    yield from (told for told in recorded(ledger, count) if _number(told) > known)


def _number(told: Told) -> int:
    return -1 if told.seq is None else told.seq


def _told(fields: dict[str, Any] | None) -> Told | None:
    """A line of the ledger, read back; None when it does not look like one of the recorder's."""
    if not fields or not isinstance(fields.get("event"), str) or fields.get("severity") not in list(RANKS):
        return None
    own = {name: value for name, value in fields.items() if name not in RESERVED}
    with contextlib.suppress(ValueError):
        at = datetime.fromisoformat(str(fields.get("time"))).timestamp()
        return Told(fields["seq"], at, fields["event"], fields["severity"], own)
    return None
