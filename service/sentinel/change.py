"""A difference between what was known and what lies there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from service.sentinel.entry import Entry, differences, readable


@dataclass(frozen=True)
class Who:
    """The process that did it, as far as it could still be asked. `uid` is its effective one, `login` the audit id."""

    pid: int
    program: str | None = None
    command: tuple[str, ...] = ()
    uid: int | None = None
    login: int | None = None


@dataclass(frozen=True)
class Change:
    """One path that is no longer what it was.

    `what`: `transient` came and went before it could be looked at; `before` and `after` are then both None.
    `path` is on the host; for a container's file `container` names it and `inside` is the path that it sees.
    `at`: seconds since 1970. `found_by`: the event, or the sweep that found what no event had told.
    """

    path: bytes
    set: str
    what: Literal["created", "changed", "removed", "transient"]
    before: Entry | None
    after: Entry | None
    at: float
    found_by: Literal["event", "sweep"]
    container: str | None = None
    inside: bytes | None = None
    who: Who | None = None

    def fields(self) -> dict[str, Any]:
        """JSON values for a line of the log; `path_hex` only where the path is not what `path` shows."""
        told: dict[str, Any] = {"set": self.set, "what": self.what, "path": readable(self.path)}
        if told["path"] != self.path.decode("utf-8", "replace"):
            told["path_hex"] = self.path.hex()
        if self.before and self.after:
            told["differs"] = differences(self.before, self.after)
        for name, entry in (("before", self.before), ("after", self.after)):
            if entry:
                told[name] = entry.shown()
        if self.container:
            told |= {"container": self.container, "inside": readable(self.inside or b"")}
        if self.who:
            told["who"] = {name: value for name, value in vars(self.who).items() if value not in (None, ())}
        return told | {"found_by": self.found_by, "seen": round(self.at, 6)}
