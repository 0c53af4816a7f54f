"""Which keys are known: a file, read again when it changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from service.gate.keys import is_digest, is_key_id


class RegisterError(Exception):
    """The keys file cannot be used: says what and where. Nobody enters then."""


class Register:
    """Key ids by digest, from `{"keys": [{"id": "demo", "sha256": "<hex>"}]}`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None
        self._ids: dict[str, str] = {}
        self._error: RegisterError | None = None

    def find(self, digest: str) -> str | None:
        """The id of the key with this digest, or None. Raises RegisterError."""
        return self.ids().get(digest)

    def ids(self) -> dict[str, str]:
        """All key ids by digest, as the file is now. Raises RegisterError."""
        try:
            stat = self._path.stat()
        except OSError as error:
            self._seen = None
            raise RegisterError(
                f"{self._path}: {error.strerror}; next: casemate deploy INVENTORY --only gate"
            ) from error
        now = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
        if now != self._seen:
            self._seen, self._ids, self._error = now, {}, None
            try:
                self._ids = _read(self._path)
            except RegisterError as error:
                self._error = error
        if self._error:
            raise self._error
        return self._ids


def _read(path: Path) -> dict[str, str]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise RegisterError(f"{path} cannot be read as JSON; next: casemate deploy INVENTORY --only gate") from error
    entries = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(entries, list):
        raise RegisterError(f'{path}: expected {{"keys": [...]}}')
    return dict(_entry(path, number, entry) for number, entry in enumerate(entries))


def _entry(path: Path, number: int, entry: Any) -> tuple[str, str]:
    if not isinstance(entry, dict) or set(entry) != {"id", "sha256"}:
        raise RegisterError(f"{path}: keys[{number}]: expected exactly id and sha256")
    name, value = entry["id"], entry["sha256"]
    if not isinstance(name, str) or not is_key_id(name):
        raise RegisterError(f"{path}: keys[{number}].id: expected 2 to 31 lower-case letters, digits or hyphens")
    if not isinstance(value, str) or not is_digest(value):
        raise RegisterError(f"{path}: keys[{number}].sha256: expected 64 hexadecimal digits")
    return value, name
