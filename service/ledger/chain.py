"""How one line holds on to the one before it.

A line is one JSON object: `seq` (from 0, across all files of the log), `time` (UTC), the writer's own fields, `prev`
(SHA-256 of the whole line before it, its mac included; 64 zeros for the first) and at its very end `mac`, an
HMAC-SHA256 over everything before the mac under a key of this line alone: key 0 is random, key n+1 is a hash of key n,
and a key is forgotten as soon as the next one is made.

Promise. Without any key, `prev` shows a line that was edited, removed or moved, unless all that follow were made anew.
With key 0 the macs show that too: who takes over the writer after line n holds keys from n+1 on, and cannot make lines
0 to n say anything else. That holds from the moment key 0 is kept where the writer cannot read it; until then it lies
beside the log. A cut tail shows against the head beside the log, or against a head that was noted elsewhere; not
against the log alone.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from typing import Any

RESERVED = frozenset({"seq", "time", "prev", "mac"})
START = "0" * 64
LONGEST_LINE = 1 << 16
"""Bytes, the newline included."""
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_END = re.compile(rb',"mac":"([0-9a-f]{64})"\}$')


class LedgerError(Exception):
    """The log cannot be written or read: says what, where and what next."""


def successor(key: bytes) -> bytes:
    """The key of the next line; nobody gets from it back to `key`."""
    return hashlib.sha256(b"casemate-ledger-key\0" + key).digest()


def seal(seq: int, time: str, fields: Mapping[str, Any], prev: str, key: bytes) -> bytes:
    """One line without its newline: ASCII only, so that no field can steer a terminal or start a line of its own."""
    if clash := RESERVED & fields.keys():
        raise LedgerError(f"fields {', '.join(sorted(clash))} belong to the ledger; next: name them otherwise")
    body = _ENCODER.encode({"seq": seq, "time": time, **fields, "prev": prev})
    open_body = body[:-1].encode("ascii")
    return open_body + b',"mac":"' + _mac(open_body, key) + b'"}'


def sealed_by(line: bytes, key: bytes) -> bool:
    """Whether `key` made the mac at the end of `line`."""
    found = _END.search(line)
    return found is not None and hmac.compare_digest(_mac(line[: found.start()], key), found[1])


def fingerprint(line: bytes) -> str:
    """What the next line names as `prev`."""
    return hashlib.sha256(line).hexdigest()


def parse(line: bytes) -> dict[str, Any] | None:
    """The line's fields, or None if it is not a line of a ledger."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict) or not _END.search(line):
        return None
    whole = type(fields.get("seq")) is int and fields["seq"] >= 0 and isinstance(fields.get("prev"), str)
    return fields if whole else None


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, body, "sha256").hex().encode("ascii")
