"""Going through a log line by line, and holding each against the one before it, the keys and what had been noted."""

from __future__ import annotations

from collections.abc import Sequence

from service.ledger.chain import START, fingerprint, parse, sealed_by
from service.ledger.gaps import Gaps
from service.ledger.keys import Keys
from service.ledger.verdict import Anchor, Verdict

_FARTHEST_JUMP = 10_000_000  # Lines; a longer gap is an invented number, and following it would cost hours of hashing.


class Walk:
    """Judges lines as they come, oldest first.

    `keys` from key 0 on, or from that of a later line. `anchors` are ends that were noted: the line before each must
    be the one that it tells of. With `since` the lines follow those that were judged before, whose end it is: a
    number that is not there then is missing; without it, the first line may have any number (older files may go).
    """

    def __init__(
        self, verdict: Verdict, keys: Keys | None = None, anchors: Sequence[Anchor] = (), since: Anchor | None = None
    ) -> None:
        self.verdict = verdict
        self.expected = since.seq if since else 0
        self.before = since.prev if since else START
        """Fingerprint of the line before; "": unknown, or already found wrong."""
        self._keys = keys
        self._anchors = {anchor.seq: anchor.prev for anchor in anchors}
        self._anywhere = since is None
        self._gaps = Gaps()

    def line(self, where: str, raw: bytes) -> None:
        """The next line, with its newline if it has one; `where` names its place."""
        self.verdict.lines += 1
        line = raw.rstrip(b"\n")
        fields = parse(line)
        if line == raw:
            self.verdict.found("torn", where, "has no end: its writer was killed before it had promised this line")
        elif fields is None or fields["seq"] > self.expected + _FARTHEST_JUMP:
            self._wrong("damaged", where, f"is no line of a ledger, expected line {self.expected}")
        else:
            self._numbered(where, line, fields["seq"], fields["prev"])

    def end(self, log: str, head: int = 0) -> Anchor | None:
        """After the last line: what is missing now stays missing. Returns the end, None when it cannot be believed.

        `head`: lines that the head knows of, against which the log is held by who asks.
        """
        for gap in self._gaps.open:
            self.verdict.found("missing", gap.where, f"{gap} missing before this line")
        if self.before:
            self.verdict.end = Anchor(self.expected, self.before)
        farthest = max(self._anchors, default=0)
        if farthest > max(self.expected, head):
            known = f"{farthest} lines had been noted earlier"
            self.verdict.found("truncated", log, f"ends before line {self.expected}, {known}")
        return self.verdict.end

    def _numbered(self, where: str, line: bytes, seq: int, prev: str) -> None:
        if self.verdict.first is None:
            self.verdict.first = seq
            if seq and self._anywhere:
                self.expected, self.before = seq, ""
        if not self._genuine(line, seq):
            self._wrong("edited", where, f"is not what was written, expected line {self.expected}")
        elif seq < self.expected:
            kind = "reordered" if self._gaps.fill(seq) else "repeated"
            self.verdict.found(kind, where, f"is line {seq}, expected line {self.expected}")
        else:
            if seq == self.expected and self.before not in ("", prev):
                self.verdict.found(
                    "edited", where, f"line {seq} does not follow the line before it: one of the two was changed"
                )
            self._gaps.add(self.expected, seq, where)
            self.expected, self.before = seq + 1, fingerprint(line)
            self.verdict.last = seq
            if self._anchors.get(self.expected, self.before) != self.before:
                self.verdict.found("remade", where, f"line {seq} is not the one that had been noted earlier")

    def _genuine(self, line: bytes, seq: int) -> bool:
        if self._keys is None or seq < self._keys.first:
            return True
        return sealed_by(line, self._keys.at(seq))

    def _wrong(self, kind: str, where: str, message: str) -> None:
        """A line whose own number cannot be believed stands for the one that was expected."""
        self.verdict.found(kind, where, message)
        self.expected, self.before = self.expected + 1, ""
