"""JSON with one spelling, so that equal documents have equal digests, and one reading."""

import hashlib
import json
from typing import Any


def canonical(value: Any) -> bytes:
    """Sorted keys, no blanks, UTF-8; the host's program spells it the same way."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def digest_of(content: bytes) -> str:
    """`sha256:` and hex, as image formats write it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def strict(content: bytes) -> Any:
    """JSON that a stranger may have written; raises ValueError where two readers could disagree on what it says."""
    try:
        return json.loads(content.decode(), object_pairs_hook=_unique, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Readers disagree on which of two equal keys counts, so neither does."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key appears twice")
    return found


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")
