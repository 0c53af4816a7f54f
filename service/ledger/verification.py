"""Judging a log: what is missing, edited, moved or cut, and where."""

from __future__ import annotations

import gzip
import re
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

from service.ledger.chain import LONGEST_LINE, LedgerError, parse
from service.ledger.head import Head, beside, observe
from service.ledger.keys import Keys
from service.ledger.verdict import Anchor, Verdict
from service.ledger.walk import Walk

_TURNED_OVER = re.compile(r"(\.\d+|-\d[\d-]*)(\.gz)?")


def turned_over(log: str, name: str) -> bool:
    """Whether the file `name` is what logrotate made of `log` (`audit.jsonl.1`, `audit.jsonl-20261123.gz`)."""
    return name.startswith(log) and bool(_TURNED_OVER.fullmatch(name[len(log) :]))


def files(log: Path) -> list[Path]:
    """The log and what was turned over of it, oldest first."""
    found = (path for path in log.parent.glob(f"{log.name}*") if path == log or turned_over(log.name, path.name))
    every = [path for path in found if stat.S_ISREG(path.lstat().st_mode)]  # Not a link or pipe of who owns the place.
    return sorted(every, key=lambda path: (path == log, first_number(path), path))


def lines(path: Path, size: int | None = None) -> Iterator[bytes]:
    """A file's lines with their newlines, as far as `size` bytes; what is too long for a line comes in pieces."""
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        while piece := file.readline(LONGEST_LINE if size is None else min(LONGEST_LINE, max(0, size - file.tell()))):
            yield piece


def first_number(path: Path) -> int:
    """The number that the first line of a file claims; -1 where it has none."""
    return next((found["seq"] for line in lines(path) if (found := parse(line.rstrip(b"\n")))), -1)


def verify(log: Path, first_key: bytes | None = None, anchors: Sequence[Anchor] = ()) -> Verdict:
    """Read the whole log and judge it.

    `first_key` is key 0, `anchors` are earlier verdicts' ends: without both, a chain made anew from some line on goes
    unseen. With an anchor that holds for all lines before it, whoever has which keys.
    """
    head, size = observe(log)
    paths = files(log)
    if not paths:
        raise LedgerError(f"{log} does not exist; next: check the path")
    keys = Keys(0, first_key) if first_key is not None else None
    walk = Walk(Verdict([str(path) for path in paths]), keys, anchors)
    for path in paths:
        for number, line in enumerate(lines(path, size if path == log else None), start=1):
            walk.line(f"{path}:{number}", line)
    walk.end(str(log), head.seq if head else 0)
    _against(head, walk, log)
    return walk.verdict


def _against(head: Head | None, walk: Walk, log: Path) -> None:
    if head is None:
        walk.verdict.found("damaged", str(beside(log)), "the head is missing: a cut tail would go unseen")
    elif head.seq > walk.expected:
        known = f"the head knows {head.seq} lines"
        walk.verdict.found("truncated", str(log), f"ends before line {walk.expected}, {known}")
    elif head.seq == walk.expected and walk.before not in ("", head.prev):
        walk.verdict.found("edited", str(log), f"line {head.seq - 1} is not the one that the head knows")
