"""The keys of lines, from one that is known on."""

from __future__ import annotations

from service.ledger.chain import successor

_STEP = 256  # Lines between two keys that are remembered: what a line out of its order costs at most, in hashes.


class Keys:
    """From the key of line `first` the keys of that line and all later ones: in their order each costs one hash."""

    def __init__(self, first: int, key: bytes) -> None:
        self.first = first
        self._remembered = [key]
        self._last = (first, key)

    def at(self, seq: int) -> bytes:
        """The key of line `seq`, which is not before `first`."""
        at, key = self._last
        if seq < at:
            step = min((seq - self.first) // _STEP, len(self._remembered) - 1)
            at, key = self.first + step * _STEP, self._remembered[step]
        while at < seq:
            at, key = at + 1, successor(key)
            if at == self.first + len(self._remembered) * _STEP:
                self._remembered.append(key)
        self._last = (at, key)
        return key
