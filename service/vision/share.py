"""How much of what all share one principal may hold: at most so many times what is still free.

Dynamic thresholds (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", IEEE/ACM
Transactions on Networking 6(2), 1998): alone, a principal gets four fifths of all; k busy ones end up with equal shares
and leave one part in 4k + 1 free for whoever comes next. Nothing is set aside for anybody, and nothing is to be set.
"""

from __future__ import annotations

from collections import Counter

_TIMES = 4


class Full(Exception):
    """There is no room; `ahead` is how much there is whose end would make some."""

    def __init__(self, message: str, ahead: int) -> None:
        super().__init__(message)
        self.ahead = ahead


class Shares:
    """`most` of something that principals hold parts of; `what` continues a sentence that begins with a number."""

    def __init__(self, most: int, what: str) -> None:
        self.most = most
        self.taken = 0
        self._what = what
        self._held = Counter[str]()

    def take(self, principal: str, amount: int, had: int = 0) -> None:
        """Let a principal hold `amount`, in place of `had` that it holds for the same purpose.

        Who holds nothing else is let in if there is room at all. Raises Full, and changes nothing then.
        """
        taken, own = self.taken - had, self._held[principal] - had
        left = self.most - taken - amount
        if left < 0:
            message = f"{taken} {self._what}, and there is no room for {amount} more: expected at most {self.most}"
            raise Full(message, taken)
        if own and own + amount > _TIMES * left:
            message = f"{own} of your {self._what}, and your share has no room for {amount} more"
            raise Full(f"{message}; next: ask again when they are fewer", own)
        self._hold(principal, amount - had)

    def give_back(self, principal: str, amount: int) -> None:
        """What was taken before."""
        self._hold(principal, -amount)

    def _hold(self, principal: str, more: int) -> None:
        self.taken += more
        self._held[principal] += more
        if not self._held[principal]:
            del self._held[principal]
