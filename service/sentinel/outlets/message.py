"""What is told to people and programs: one line of the ledger, or a group of lines that belong together."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from service.sentinel.configuration import Severity

RANKS: dict[Severity | None, int] = {None: 0, "low": 1, "medium": 2, "high": 3, "critical": 4}
"""By what may wait, or be dropped, first; None: information only."""
MOST_PATHS = 20
_NAMED = frozenset({"event", "severity", "set", "container"})
_LONGEST = 1000  # Characters of a text in a message; the ledger has it whole.


@dataclass(frozen=True)
class Told:
    """One line as it was recorded, `at` seconds since 1970. `seq`: its number in the ledger, None when that failed.

    `fields`: all that the recorder wrote, `event` and `severity` among them.
    """

    seq: int | None
    at: float
    event: str
    severity: Severity | None
    fields: dict[str, Any]


@dataclass
class Message:
    """A group of lines of one event, severity, watch set and container.

    `first_seq`, `last_seq`: their numbers in the ledger, others may lie between; None: not in the ledger. `first`,
    `last`: seconds since 1970. `what`: counts by kind of change. `paths`: of the first 20. `detail`: fields of the
    first line.
    """

    host: str
    event: str
    severity: Severity | None
    set: str | None
    container: str | None
    first_seq: int | None
    last_seq: int | None
    first: float
    last: float
    count: int
    what: dict[str, int]
    paths: list[str]
    detail: dict[str, Any]

    @classmethod
    def of(cls, told: Told, host: str) -> Message:
        detail = cut({name: value for name, value in told.fields.items() if name not in _NAMED}, _LONGEST)
        ident = told.fields.get("set"), told.fields.get("container")
        seq, at = told.seq, told.at
        message = cls(host, told.event, told.severity, *ident, seq, seq, at, at, 0, {}, [], detail)
        message.add(told)
        return message

    def add(self, told: Told) -> None:
        """Take one more line in."""
        self.count += 1
        self.last_seq, self.last = told.seq, told.at
        if what := told.fields.get("what"):
            self.what[what] = self.what.get(what, 0) + 1
        if len(self.paths) < MOST_PATHS and (path := told.fields.get("path")):
            self.paths.append(shortened(path, _LONGEST))

    def text(self) -> str:
        """One line for people, safe for their terminals."""
        text = self._sentence()
        return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)

    def _sentence(self) -> str:
        where = f" in container {self.container}" if self.container else ""
        start = f"{self.severity or 'info'}: {self.set or 'sentinel'}: "
        if self.event != "alert":
            said = ", ".join(f"{name} {value}" for name, value in self.detail.items() if value not in (None, ""))
            times = f" ({self.count} times)" if self.count > 1 else ""
            return f"{start}{self.event.replace('_', ' ')}{times}{f': {said}' if said else ''}"
        if self.count == 1:
            differs = f" ({', '.join(self.detail['differs'])})" if self.detail.get("differs") else ""
            return f"{start}{''.join(self.paths)} {self.detail.get('what', 'changed')}{differs}{where}{self._who()}"
        kinds = ", ".join(f"{count} {kind}" for kind, count in self.what.items())
        more = f" and {self.count - len(self.paths)} more" if self.count > len(self.paths) else ""
        return f"{start}{self.count} paths{where} ({kinds}): {', '.join(self.paths)}{more}"

    def _who(self) -> str:
        who = self.detail.get("who")
        return f" by {who.get('program', 'a process')} (pid {who.get('pid')}, uid {who.get('uid')})" if who else ""

    def document(self) -> dict[str, Any]:
        """JSON values, with the sentence for people."""
        return {"schema": 1, **asdict(self), "message": self.text()}

    def encoded(self) -> bytes:
        return json.dumps(asdict(self), separators=(",", ":")).encode("ascii")

    @classmethod
    def decoded(cls, content: bytes) -> Message:
        """Raises ValueError, TypeError when it is none."""
        return cls(**json.loads(content))


def cut(value: Any, longest: int) -> Any:
    """The same JSON value with no text longer than `longest` characters, and no list longer than 50."""
    if isinstance(value, str):
        return shortened(value, longest)
    if isinstance(value, dict):
        return {name: cut(inner, longest) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [cut(inner, longest) for inner in value[:50]]
    return value


def shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}... ({len(text)} characters)"
