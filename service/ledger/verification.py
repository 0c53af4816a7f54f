"""Judging a log: what is missing, edited, moved or cut, and where."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from service.ledger.chain import LONGEST_LINE, START, LedgerError, fingerprint, parse, sealed_by, successor
from service.ledger.gaps import Gaps
from service.ledger.head import Head, beside, observe

_FARTHEST_JUMP = 10_000_000  # Lines; a longer gap is an invented number, and following it would cost hours of hashing.
_TURNED_OVER = re.compile(r"(\.\d+|-\d[\d-]*)(\.gz)?")


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
    """What was read: files oldest first, first and last `seq` (None without a line), what is wrong, where it ends."""

    files: list[str]
    lines: int = 0
    first: int | None = None
    last: int | None = None
    findings: list[Finding] = field(default_factory=list)
    end: Anchor | None = None


def files(log: Path) -> list[Path]:
    """The log and what logrotate made of it (`audit.jsonl.1`, `audit.jsonl-20261123.gz`), oldest first."""
    every = [
        path
        for path in log.parent.glob(f"{log.name}*")
        if path == log or _TURNED_OVER.fullmatch(path.name.removeprefix(log.name))
    ]
    return sorted(every, key=lambda path: (path == log, _start(path), path))


def lines(path: Path, size: int | None = None) -> Iterator[bytes]:
    """A file's lines with their newlines, as far as `size` bytes; what is too long for a line comes in pieces."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        while piece := file.readline(LONGEST_LINE if size is None else min(LONGEST_LINE, max(0, size - file.tell()))):
            yield piece


def verify(log: Path, first_key: bytes | None = None, anchor: Anchor | None = None) -> Verdict:
    """Read the whole log and judge it.

    `first_key` is key 0, `anchor` an earlier verdict's end: without both, a chain made anew from some line on goes
    unseen. With an anchor that holds for all lines before it, whoever has which keys.
    """
    head, size = observe(log)
    paths = files(log)
    if not paths:
        raise LedgerError(f"{log} does not exist; next: check the path")
    walk = _Walk(Verdict([str(path) for path in paths]), first_key, anchor)
    for path in paths:
        for number, line in enumerate(lines(path, size if path == log else None), start=1):
            walk.line(f"{path}:{number}", line)
    walk.end(log, head)
    return walk.verdict


class _Walk:
    def __init__(self, verdict: Verdict, first_key: bytes | None, anchor: Anchor | None) -> None:
        self.verdict = verdict
        self.first_key = first_key
        self.anchor = anchor
        self.key = (0, first_key)  # A line's number and the key of that line.
        self.expected = 0
        self.before: str | None = START  # Fingerprint of the line before; None: unknown, or already found wrong.
        self.gaps = Gaps()

    def line(self, where: str, raw: bytes) -> None:
        self.verdict.lines += 1
        line = raw.rstrip(b"\n")
        fields = parse(line)
        if line == raw:
            self._found("torn", where, "has no end: its writer was killed before it had promised this line")
        elif fields is None or fields["seq"] > self.expected + _FARTHEST_JUMP:
            self._wrong("damaged", where, f"is no line of a ledger, expected line {self.expected}")
        else:
            self._numbered(where, line, fields["seq"], fields["prev"])

    def _numbered(self, where: str, line: bytes, seq: int, prev: str) -> None:
        if self.verdict.first is None:
            self.verdict.first = seq
            if seq:  # Older files are gone: the chain begins here.
                self.expected, self.before = seq, None
        if not self._genuine(line, seq):
            self._wrong("edited", where, f"is not what was written, expected line {self.expected}")
        elif seq < self.expected:
            kind = "reordered" if self.gaps.fill(seq) else "repeated"
            self._found(kind, where, f"is line {seq}, expected line {self.expected}")
        else:
            if seq == self.expected and self.before not in (None, prev):
                self._found(
                    "edited", where, f"line {seq} does not follow the line before it: one of the two was changed"
                )
            self.gaps.add(self.expected, seq, where)
            self.expected, self.before = seq + 1, fingerprint(line)
            self.verdict.last = seq
            if self.anchor and self.anchor.seq == self.expected and self.anchor.prev != self.before:
                self._found("remade", where, f"line {seq} is not the one that was noted at an earlier verification")

    def end(self, log: Path, head: Head | None) -> None:
        for gap in self.gaps.open:
            self._found("missing", gap.where, f"{gap} missing before this line")
        if self.before is not None:
            self.verdict.end = Anchor(self.expected, self.before)
        if self.anchor and self.anchor.seq > max(self.expected, head.seq if head else 0):
            known = f"{self.anchor.seq} lines had been noted at an earlier verification"
            self._found("truncated", str(log), f"ends before line {self.expected}, {known}")
        if head is None:
            self._found("damaged", str(beside(log)), "the head is missing: a cut tail would go unseen")
        elif head.seq > self.expected:
            self._found("truncated", str(log), f"ends before line {self.expected}, the head knows {head.seq} lines")
        elif head.seq == self.expected and self.before not in (None, head.prev):
            self._found("edited", str(log), f"line {head.seq - 1} is not the one that the head knows")

    def _genuine(self, line: bytes, seq: int) -> bool:
        at, key = self.key
        if key is None or self.first_key is None:
            return True
        if seq < at:
            at, key = 0, self.first_key
        for _ in range(seq - at):
            key = successor(key)
        self.key = (seq, key)
        return sealed_by(line, key)

    def _wrong(self, kind: str, where: str, message: str) -> None:
        """A line whose own number cannot be believed stands for the one that was expected."""
        self._found(kind, where, message)
        self.expected, self.before = self.expected + 1, None

    def _found(self, kind: str, where: str, message: str) -> None:
        self.verdict.findings.append(Finding(kind, where, message))


def _start(path: Path) -> int:
    return next((found["seq"] for line in lines(path) if (found := parse(line.rstrip(b"\n")))), -1)
