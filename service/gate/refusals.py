"""The log of who was turned away."""

from __future__ import annotations

import sys
import time

from service.gate.decision import Decision
from service.ledger import Ledger, LedgerError

_A_SECOND = 50
"""Lines a second: guessing keys must not fill the disk. What is more is counted, and the next line tells the number."""


class Refusals:
    """One line a refused attempt: reason, claimed key id, client address. Never the key."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._second = 0
        self._written = 0
        self._uncounted = 0

    def note(self, decision: Decision, client: str) -> None:
        """Write the line; a log that takes none is told on stderr, and the refusal stands."""
        now = int(time.monotonic())
        if now != self._second:
            self._second, self._written = now, 0
        if self._written >= _A_SECOND:
            self._uncounted += 1
            return
        fields = {
            "event": "refused",
            "status": decision.status,
            "reason": decision.reason,
            "key_id": decision.key_id,
            "client": client[:64],
        }
        try:
            self._ledger.append({**fields, "not_written": self._uncounted} if self._uncounted else fields)
            self._written, self._uncounted = self._written + 1, 0
        except LedgerError as error:
            print(error, file=sys.stderr, flush=True)
