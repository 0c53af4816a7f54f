"""Changes to record, and what became of them."""

import json
from pathlib import Path
from typing import Any

from service.ledger import verify
from service.ledger.head import first_key, read_key
from service.sentinel.change import Change
from service.sentinel.entry import Entry


def entry(**other: Any) -> Entry:
    values = {
        "kind": "file",
        "mode": 0o644,
        "uid": 0,
        "gid": 0,
        "size": 1,
        "device": 1,
        "inode": 2,
        "mtime": 3,
        "ctime": 4,
    }
    return Entry(**{**values, "sha256": b"x" * 32, **other})


def change(path: bytes = b"/etc/passwd", **other: Any) -> Change:
    values = {"set": "etc", "what": "changed", "before": entry(), "after": entry(mode=0o4755), "at": 1.5}
    return Change(**{"path": path, "found_by": "event", **values, **other})


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_bytes().splitlines()]


def sound(log: Path) -> bool:
    return not verify(log, read_key(first_key(log))).findings
