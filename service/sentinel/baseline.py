"""The baseline: what the operator accepted, entry by entry, in a file whose digest the operator signs.

`baseline.jsonl.gz`: a header line, then one entry a line, by directory and name. `baseline.json` names its sequence
and the SHA-256 of its lines (not of their compression), `baseline.sig` signs that. What is not signed yet lies beside
the last that was: `previous.*`.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.sentinel.entry import Entry, named, readable
from service.sentinel.layout import Layout
from service.sentinel.saying import said
from service.sentinel.signature import SignatureError, verify
from service.sentinel.store import Store
from service.sentinel.written import from_fields, to_fields

NAMESPACE = "casemate-baseline-v1"
_PARTS = ("jsonl.gz", "json", "sig")


class BaselineError(Exception):
    """It cannot be made, read or trusted; the message says why and what next."""


@dataclass(frozen=True)
class Summary:
    """What `baseline.json` says, and whether a key of the operator says so too."""

    sequence: int
    sha256: str
    entries: int
    signed: bool

    def shown(self) -> dict[str, Any]:
        return dict(vars(self))


class Baseline:
    """The files of one directory. `host`: what the signed document names."""

    def __init__(self, layout: Layout, host: str) -> None:
        self._layout, self._host = layout, host

    def path(self, part: str, stem: str = "baseline") -> Path:
        return self._layout.state / f"{stem}.{part}"

    def write(self, header: dict[str, Any], included: Callable[[bytes], bool]) -> Summary:
        """Write what is known, but for what deviates without being accepted; `replace` makes it the baseline.

        `header`: its first line, of which `sequence` counts. Raises BaselineError.
        """
        try:
            store = Store(self._layout.database, readonly=True)
            try:
                store.snapshot()
                digest, entries = _write(self.path("jsonl.gz", "next"), header, said(store, included))
            finally:
                store.close()
        except (OSError, sqlite3.Error) as error:
            raise BaselineError(f"no baseline could be written: {error}; next: look at the disk") from error
        return Summary(header["sequence"], digest, entries, False)

    def replace(self, summary: Summary, signature: str | None = None) -> None:
        """What was written is the baseline now; the last signed one stays, unless this is signed already."""
        written = self.path("jsonl.gz", "next")
        if signature is None and self.path("sig").exists():
            for part in _PARTS:
                with contextlib.suppress(FileNotFoundError):
                    self.path(part).replace(self.path(part, "previous"))
        written.replace(self.path("jsonl.gz"))
        _kept(self.path("json"), self.document(summary))
        if signature:
            _kept(self.path("sig"), signature.encode())
        _sync(self._layout.state)

    def document(self, summary: Summary) -> bytes:
        """What is signed."""
        said = {"schema": 1, "host": self._host, "sequence": summary.sequence, "sha256": summary.sha256}
        return json.dumps({**said, "entries": summary.entries}, sort_keys=True, separators=(",", ":")).encode()

    def sign(self, signature: str) -> Summary:
        """Keep the operator's signature of the baseline. Raises BaselineError."""
        try:
            verify(self.path("json").read_bytes(), signature, NAMESPACE, self._layout)
        except (OSError, SignatureError) as error:
            raise BaselineError(f"the baseline stays unsigned: {error}") from None
        _kept(self.path("sig"), signature.encode())
        for part in _PARTS:
            self.path(part, "previous").unlink(missing_ok=True)
        found = self.summary()
        if found is None:
            raise BaselineError("the baseline went away while it was signed; next: casemate baseline show INVENTORY")
        return found

    def summary(self, stem: str = "baseline") -> Summary | None:
        """Of the files as they lie there; None where there are none, or none that can be read."""
        try:
            content = self.path("json", stem).read_bytes()
            given = json.loads(content)
            summary = Summary(int(given["sequence"]), str(given["sha256"]), int(given["entries"]), False)
        except (OSError, ValueError, KeyError, TypeError):
            return None
        try:
            verify(content, self.path("sig", stem).read_text(), NAMESPACE, self._layout)
        except (OSError, ValueError, SignatureError):
            return summary
        return Summary(summary.sequence, summary.sha256, summary.entries, True)

    def digest(self, stem: str = "baseline") -> str | None:
        """The SHA-256 of the lines that lie there; None where they cannot be read."""
        found = hashlib.sha256()
        try:
            with gzip.open(self.path("jsonl.gz", stem)) as file:
                while piece := file.read(1 << 20):
                    found.update(piece)
        except (OSError, EOFError):
            return None
        return found.hexdigest()

    def trusted(self) -> str | None:
        """`baseline` or `previous`: the newest whose signature and content are right. None: neither."""
        for stem in ("baseline", "previous"):
            found = self.summary(stem)
            if found and found.signed and self.digest(stem) == found.sha256:
                return stem
        return None

    def agrees(self, store: Store, included: Callable[[bytes], bool]) -> bool:
        """Whether the state says what the baseline that lies there says."""
        summary = self.summary()
        try:
            with gzip.open(self.path("jsonl.gz")) as file:
                found = hashlib.sha256(next(file))
        except (OSError, EOFError, StopIteration):
            return False
        for path, entry in said(store, included):
            found.update(line(path, entry))
        return summary is not None and found.hexdigest() == summary.sha256

    def header(self, stem: str = "baseline") -> dict[str, Any]:
        """The first line of the file. Raises BaselineError."""
        try:
            with gzip.open(self.path("jsonl.gz", stem)) as file:
                found: dict[str, Any] = json.loads(file.readline())
                return found
        except (OSError, EOFError, ValueError) as error:
            raise BaselineError(f"{self.path('jsonl.gz', stem)} is no baseline: {error!r}") from error

    def bring_back(self) -> None:
        """The last that was signed is the baseline again."""
        for part in _PARTS:
            self.path(part, "previous").replace(self.path(part))

    def entries(self, stem: str = "baseline") -> Iterator[tuple[bytes, Entry]]:
        """Of the file. Raises BaselineError."""
        try:
            with gzip.open(self.path("jsonl.gz", stem)) as file:
                next(file)
                for line in file:
                    fields = json.loads(line)
                    yield named(fields["path"]), from_fields(fields)
        except (OSError, EOFError, StopIteration, ValueError, KeyError, TypeError) as error:
            raise BaselineError(f"{self.path('jsonl.gz', stem)} is no baseline: {error!r}") from error


def line(path: bytes, entry: Entry) -> bytes:
    return json.dumps({"path": readable(path), **to_fields(entry)}, separators=(",", ":")).encode() + b"\n"


def _write(place: Path, header: dict[str, Any], entries: Iterator[tuple[bytes, Entry]]) -> tuple[str, int]:
    """The SHA-256 of the lines, and how many entries they are."""
    found, count = hashlib.sha256(), 0
    with open(place, "wb", opener=_private) as raw, gzip.GzipFile("", "wb", 1, raw, mtime=0) as file:
        _add(file, found, json.dumps(header, separators=(",", ":")).encode() + b"\n")
        lines = []
        for path, entry in entries:
            count += 1
            lines.append(line(path, entry))
            if len(lines) == 1000:
                _add(file, found, b"".join(lines))
                lines.clear()
        _add(file, found, b"".join(lines))
        file.close()
        raw.flush()
        os.fsync(raw.fileno())
    return found.hexdigest(), count


def _add(file: Any, found: Any, content: bytes) -> None:
    file.write(content)
    found.update(content)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _kept(path: Path, content: bytes) -> None:
    """All of it or nothing."""
    new = path.with_name(path.name + ".new")
    with open(new, "wb", opener=_private) as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _sync(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
