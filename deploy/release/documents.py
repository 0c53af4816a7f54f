"""JSON with one spelling, so that equal documents have equal digests."""

import hashlib
import json
from typing import Any


def canonical(value: Any) -> bytes:
    """Sorted keys, no blanks, UTF-8; the host's program spells it the same way."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest_of(content: bytes) -> str:
    """`sha256:` and hex, as image formats write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"
