"""What is said of a log that was read."""

from __future__ import annotations

from dataclasses import dataclass, field

_MOST = 1000
"""Findings that are kept; who made a whole log anew must not fill the memory of who reads it."""


@dataclass(frozen=True)
class Anchor:
    """An end of the log, noted where its writer cannot reach: there were `seq` lines, and `prev` tells the last one."""

    seq: int
    prev: str


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong: `kind` is edited, missing, reordered, repeated, damaged, torn, truncated or remade."""

    kind: str
    where: str
    message: str


@dataclass
class Verdict:
    """What was read: files oldest first, first and last `seq` (None without a line), what is wrong, where it ends.

    `more` counts findings beyond those that are kept.
    """

    files: list[str]
    lines: int = 0
    first: int | None = None
    last: int | None = None
    findings: list[Finding] = field(default_factory=list)
    more: int = 0
    end: Anchor | None = None

    def found(self, kind: str, where: str, message: str) -> None:
        """Add a finding."""
        if len(self.findings) < _MOST:
            self.findings.append(Finding(kind, where, message))
        else:
            self.more += 1
