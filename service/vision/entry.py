"""What is known of a request while it is served; at its end it is the audit log's line about it."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

Scope = MutableMapping[str, Any]
_KEY = "casemate.audit"
_UNTOLD = frozenset({"began", "begun", "ended"})


@dataclass
class Way:
    """Of a line to the disk: who waits for it and who writes it may both be too late."""

    in_hand: bool = False
    written: bool = False
    given_up: bool = False


@dataclass
class Entry:
    """What is known of a request so far; `seconds` holds marks since its beginning."""

    request: str
    principal: str | None
    key_id: str | None
    client: str | None
    method: str
    route: str | None = None
    stream: bool = False
    text: str | None = None
    text_length: int = 0
    summary: str | None = None
    user: str | None = None
    pictures: dict[int, dict[str, Any]] = field(default_factory=dict)
    tokens_in: int = 0
    tokens_out: int = 0
    response_length: int = 0
    finish: str | None = None
    reason: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic, repr=False)
    begun: Way = field(default_factory=Way, repr=False)
    ended: Way = field(default_factory=Way, repr=False)

    def mark(self, what: str, at: float | None = None) -> None:
        """Note how long it took until here, or until `at` (monotonic)."""
        self.seconds[what] = round((time.monotonic() if at is None else at) - self.began, 4)

    def saw(self, at: int, sha256: str, width: int | None = None, height: int | None = None) -> None:
        """Note the digest of the file that picture `at` came as, and its size once it is decoded; from any thread."""
        self.pictures[at] = {"sha256": sha256, "width": width, "height": height}

    def told(self) -> dict[str, Any]:
        """The fields as they are now: what is noted from now on does not change them."""
        fields = {name: value for name, value in vars(self).items() if name not in _UNTOLD}
        if self.summary is None:
            del fields["summary"]
        return {**fields, "pictures": [self.pictures[at] for at in sorted(self.pictures)], "seconds": {**self.seconds}}

    def attach(self, scope: Scope) -> None:
        """Begin the line of this request."""
        scope[_KEY] = self

    @classmethod
    def of(cls, scope: Scope) -> Entry:
        """The line that is being made for this request."""
        made: Entry = scope[_KEY]
        return made
