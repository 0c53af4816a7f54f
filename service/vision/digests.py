"""Keyed digests of texts, for the audit line: who guesses a text can confirm it only with the key."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from pathlib import Path


class Digests:
    """HMAC-SHA256 under a secret beside the log, `audit.jsonl.text-key` (0400)."""

    def __init__(self, log: Path) -> None:
        self._key = _key(log)

    def of(self, text: str) -> str:
        """64 hexadecimal digits."""
        return hmac.new(self._key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def _key(log: Path) -> bytes:
    """Made once, whole at once: two containers may start at the same time."""
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
