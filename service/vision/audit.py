"""One line a request, on every way out: refused, cancelled and failed ones too. Never a prompt, a picture or a key."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import os
import secrets
import sys
import time
from collections.abc import Iterable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from service.ledger import Ledger, LedgerError
from service.vision.conversation import Picture, Turn

Scope = MutableMapping[str, Any]
_KEY = "casemate.audit"


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
    user: str | None = None
    pictures: list[dict[str, Any]] = field(default_factory=list)
    tokens_in: int = 0
    tokens_out: int = 0
    response_length: int = 0
    finish: str | None = None
    reason: str | None = None
    seconds: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.monotonic, repr=False)

    def mark(self, what: str) -> None:
        """Note how long it took until here."""
        self.seconds[what] = round(time.monotonic() - self.began, 4)

    def saw(self, pictures: Iterable[Picture]) -> None:
        """Note the pictures' digests and sizes."""
        self.pictures = [{"sha256": one.sha256, "width": one.width, "height": one.height} for one in pictures]


def entry(scope: Scope) -> Entry:
    """The line that is being made for this request."""
    made: Entry = scope[_KEY]
    return made


def attach(scope: Scope, new: Entry) -> None:
    """Begin the line of this request."""
    scope[_KEY] = new


class AuditUnavailable(Exception):
    """The line could not be written; then the answer is not given either."""


class Auditor:
    """Writes lines, in a thread of its own: a slow disk holds up its request and no other.

    A line is written before the last byte of its answer is sent, so a killed process leaves no answer without one.
    """

    def __init__(self, log: Path, model: str, release: str) -> None:
        self._ledger = Ledger(log)
        self._model = model
        self._release = release
        self._text_key = _text_key(log)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="audit")

    def read(self, turns: Iterable[Turn], line: Entry) -> None:
        """Note length and keyed digest of what was asked: who guesses a text can confirm it only with the key."""
        texts = [[turn.role, *turn.texts] for turn in turns]
        line.text = self.digest(json.dumps(texts))
        line.text_length = sum(len(text) for _, *own in texts for text in own)

    def digest(self, text: str) -> str:
        """HMAC-SHA256 under the secret beside the log."""
        return hmac.new(self._text_key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    async def write(self, line: Entry, status: int) -> None:
        """Write the line. Raises AuditUnavailable."""
        line.mark("total")
        fields = {name: value for name, value in vars(line).items() if name != "began"}
        fields |= {"event": "request", "model": self._model, "release": self._release, "status": status}
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, self._ledger.append, fields)
        except LedgerError as error:
            print(error, file=sys.stderr, flush=True)
            raise AuditUnavailable from error


def _text_key(log: Path) -> bytes:
    """A secret beside the log, made once, whole at once: two containers may start at the same time."""
    path = log.with_name(log.name + ".text-key")
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o400)
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(32))
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return bytes.fromhex(path.read_text(encoding="ascii"))
