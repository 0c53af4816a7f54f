"""Numbers that a log skipped and may still bring."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gap:
    """Lines `first` to `last` were skipped before the line at `where`."""

    first: int
    last: int
    where: str

    def __str__(self) -> str:
        return f"line {self.first} is" if self.first == self.last else f"lines {self.first} to {self.last} are"


class Gaps:
    """Ranges, not single numbers: a forged number costs nothing."""

    def __init__(self) -> None:
        self.open: list[Gap] = []

    def add(self, first: int, end: int, where: str) -> None:
        """Note that lines `first` up to, not including, `end` were skipped."""
        if first < end:
            self.open.append(Gap(first, end - 1, where))

    def fill(self, seq: int) -> bool:
        """Take a line that came late out of its gap; False if it was not missed."""
        for index, gap in enumerate(self.open):
            if gap.first <= seq <= gap.last:
                halves = Gap(gap.first, seq - 1, gap.where), Gap(seq + 1, gap.last, gap.where)
                self.open[index : index + 1] = [half for half in halves if half.first <= half.last]
                return True
        return False
