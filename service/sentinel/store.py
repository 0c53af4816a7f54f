"""What has been alerted: SQLite, a row a path, read a directory at a time so that a sweep holds no more in memory."""

from __future__ import annotations

import sqlite3
import stat
import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from os import stat_result
from pathlib import Path
from typing import Literal

from service.sentinel.entry import Entry, Kind

Pending = Literal[0, 1, 2, 3]
SETTLED: Pending = 0
UNTOLD: Pending = 1
"""Its metadata has been told, its hash is still being read and will be."""
ENROLLED: Pending = 2
"""It is to be taken as it is; its hash is still being read."""
UNREADABLE: Pending = 3

_AT_ONCE = 256
_STAMP = struct.Struct("<IIIqQQqq")
_FILE, _FILE_AT = struct.Struct("<QQ"), 21  # Of a stamp; SQL counts from 1.
_FORMS: dict[Kind, int] = {"file": stat.S_IFREG, "directory": stat.S_IFDIR, "link": stat.S_IFLNK}
_KINDS: dict[int, Kind] = {form: kind for kind, form in _FORMS.items()}
_FIELDS = "stamp, sha256, target, attributes, flags, special, pending"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    directory BLOB NOT NULL, name BLOB NOT NULL, stamp BLOB NOT NULL, sha256 BLOB, target BLOB, attributes BLOB,
    flags INTEGER NOT NULL, special INTEGER NOT NULL, pending INTEGER NOT NULL, PRIMARY KEY (directory, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS deviations (
    directory BLOB NOT NULL, name BLOB NOT NULL, kept TEXT, planned INTEGER NOT NULL, accepted INTEGER NOT NULL,
    PRIMARY KEY (directory, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class Known:
    """An entry as it was alerted last, and what is still missing."""

    entry: Entry
    pending: Pending


def stamp(found: stat_result) -> bytes:
    """What lstat tells, as it is stored: equal stamps, equal files."""
    return _STAMP.pack(
        found.st_mode,
        found.st_uid,
        found.st_gid,
        found.st_size,
        found.st_dev,
        found.st_ino,
        found.st_mtime_ns,
        found.st_ctime_ns,
    )


def split(path: bytes) -> tuple[bytes, bytes]:
    """The directory and the name by which a path is stored; `/` is the directory `` and no name."""
    directory, _, name = path.rpartition(b"/")
    return directory, name


class Store:
    """One connection, for one thread. What is put is seen by this one at once, by others after `commit`.

    Raises sqlite3.Error.
    """

    def __init__(self, path: Path, *, readonly: bool = False) -> None:
        self.path = path
        self._put: dict[bytes, tuple[object, ...]] = {}
        self._ahead: dict[bytes, tuple[object, ...] | None] = {}
        self._database = sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False)
        self._database.text_factory = bytes
        for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "cache_size=-2000", "wal_autocheckpoint=1000"):
            self._database.execute(f"PRAGMA {pragma}")
        if readonly:
            self._database.execute("PRAGMA query_only=1")
        else:
            self._database.executescript(_SCHEMA)
            self._database.execute("BEGIN")

    def get(self, path: bytes) -> Known | None:
        if path in self._put:
            return _known(self._put[path][2:])
        row = self._ahead[path] if path in self._ahead else self._read(path)
        return _known(row) if row else None

    def has(self, path: bytes) -> bool:
        """Asked for the directory of each new path: it is looked up once until the next `prefetch`."""
        if path in self._put:
            return True
        if path not in self._ahead:
            self._ahead[path] = self._read(path)
        return self._ahead[path] is not None

    def prefetch(self, paths: Sequence[bytes]) -> None:
        """They will be asked for next: all at once is quicker."""
        self._ahead = dict.fromkeys(paths)
        for start in range(0, len(paths), _AT_ONCE):
            wanted = [part for path in paths[start : start + _AT_ONCE] for part in split(path)]
            values = ", ".join(["(?, ?)"] * (len(wanted) // 2))
            query = (
                f"WITH wanted(d, n) AS (VALUES {values}) SELECT directory, name, {_FIELDS}"  # noqa: S608 - our own
                " FROM wanted CROSS JOIN entries ON directory=d AND name=n"  # In this order: by the primary key.
            )
            for row in self._database.execute(query, wanted):
                self._ahead[row[0] + b"/" + row[1]] = row[2:]

    def put(self, path: bytes, entry: Entry, pending: Pending = SETTLED) -> None:
        if len(self._put) > 1000:
            self._flush()
        self._put[path] = (*split(path), *_row(entry, pending))
        self._ahead.pop(path, None)

    def remove(self, path: bytes) -> None:
        self._put.pop(path, None)
        self._ahead.pop(path, None)
        self._database.execute("DELETE FROM entries WHERE directory=? AND name=?", split(path))

    def children(self, directory: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Names in order, each with its stamp, empty where something is still pending."""
        query = "SELECT name, iif(pending, x'', stamp) FROM entries WHERE directory=? AND name<>x'' ORDER BY name"
        return self._database.execute(query, (directory.rstrip(b"/"),))

    def stamp(self, path: bytes) -> bytes | None:
        """As in `children`, of one path."""
        query = "SELECT iif(pending, x'', stamp) FROM entries WHERE directory=? AND name=?"
        row = self._database.execute(query, split(path)).fetchone()
        return row[0] if row else None

    def below(self, path: bytes, after: bytes | None = None) -> Iterator[tuple[bytes, Known]]:
        """Everything strictly below a path, by directory and name; what comes behind the path `after`."""
        self._flush()
        base = path.rstrip(b"/")
        behind = split(after) if after is not None else (base, b"")
        query = (
            f"SELECT directory, name, {_FIELDS} FROM entries"  # noqa: S608 - our own constant
            " WHERE (directory, name) > (?, ?) AND directory < ? AND (directory = ? OR directory >= ?)"
            " ORDER BY directory, name"
        )
        for row in self._database.execute(query, (*behind, base + b"0", base, base + b"/")):
            yield row[0] + b"/" + row[1], _known(row[2:])

    def remove_below(self, path: bytes) -> None:
        self._flush()
        self._ahead.clear()
        base = path.rstrip(b"/")
        query = "DELETE FROM entries WHERE (directory=? OR (directory>=? AND directory<?)) AND name<>x''"
        self._database.execute(query, (base, base + b"/", base + b"0"))

    def every(self, after: bytes | None = None) -> Iterator[tuple[bytes, Known]]:
        """All, by directory and name; those after the path `after`."""
        self._flush()
        query = f"SELECT directory, name, {_FIELDS} FROM entries"  # noqa: S608 - our own constant
        order = " ORDER BY directory, name"
        if after is None:
            rows = self._database.execute(query + order)
        else:
            rows = self._database.execute(query + " WHERE (directory, name) > (?, ?)" + order, split(after))
        for row in rows:
            yield row[0] + b"/" + row[1], _known(row[2:])

    def named(self, files: Collection[tuple[int, int]]) -> list[bytes]:
        """The paths of these files (device, inode), a few hundred at most: all entries are read."""
        query = (
            f"SELECT directory, name FROM entries WHERE substr(stamp, {_FILE_AT}, {_FILE.size})"  # noqa: S608 - our own
            f" IN ({', '.join('?' * len(files))})"
        )
        return [row[0] + b"/" + row[1] for row in self._database.execute(query, [_FILE.pack(*one) for one in files])]

    def count(self) -> int:
        self._flush()
        return int(self._database.execute("SELECT count(*) FROM entries").fetchone()[0])

    def sizes(self) -> Iterator[int]:
        """Bytes of every content that has a hash."""
        self._flush()
        for (packed,) in self._database.execute("SELECT stamp FROM entries WHERE sha256 IS NOT NULL"):
            yield _STAMP.unpack(packed)[3]

    def fact(self, name: str) -> str | None:
        row = self._database.execute("SELECT value FROM facts WHERE name=?", (name,)).fetchone()
        return row[0].decode() if row else None

    def note(self, name: str, value: str | None) -> None:
        """Keep a fact; None forgets it."""
        if value is None:
            self._database.execute("DELETE FROM facts WHERE name=?", (name,))
        else:
            self._database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))

    def commit(self) -> None:
        self._flush()
        self._database.execute("COMMIT")
        self._database.execute("BEGIN")

    def rollback(self) -> None:
        self._put.clear()
        self._ahead.clear()
        self._database.execute("ROLLBACK")
        self._database.execute("BEGIN")

    def snapshot(self) -> None:
        """A reader sees from here on what there is now, until it is closed."""
        self._database.execute("BEGIN")

    def execute(self, query: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        """For the tables beside the entries."""
        return self._database.execute(query, values)

    def close(self) -> None:
        self._database.close()

    def _read(self, path: bytes) -> tuple[object, ...] | None:
        query = f"SELECT {_FIELDS} FROM entries WHERE directory=? AND name=?"  # noqa: S608 - our own constant
        row: tuple[object, ...] | None = self._database.execute(query, split(path)).fetchone()
        return row

    def _flush(self) -> None:
        if self._put:
            self._database.executemany(
                "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", self._put.values()
            )
            self._put.clear()


def _row(entry: Entry, pending: Pending) -> tuple[object, ...]:
    kind, mode, uid, gid, size, device, inode, mtime, ctime, sha256, target, attributes, flags, special = entry
    form = _FORMS.get(kind) or special & 0xFFFF
    packed = _STAMP.pack(form | mode, uid, gid, size, device, inode, mtime, ctime)
    return (packed, sha256, target, attributes, flags, special, pending)


def _known(row: tuple[object, ...]) -> Known:
    packed, sha256, target, attributes, flags, special, pending = row
    mode, uid, gid, size, device, inode, mtime, ctime = _STAMP.unpack(packed)  # type: ignore[arg-type]
    kind = _KINDS.get(stat.S_IFMT(mode), "other")
    told = (kind, mode & 0o7777, uid, gid, size, device, inode, mtime, ctime, sha256, target, attributes)
    return Known(Entry(*told, flags, special), pending)  # type: ignore[arg-type]
