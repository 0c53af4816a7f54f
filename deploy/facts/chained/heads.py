"""Where chains stand, and the first keys that still lie beside them."""

import json
from pathlib import Path
from typing import Any

from service.ledger.chain import LedgerError
from service.ledger.head import first_key, peek, read_key


def main(logs: dict[str, str]) -> None:
    """Print {log: {head: {seq, prev} or null, key: hexadecimal or null}}, or {"error"} of one that cannot be read.

    The keys are secrets: the operator asks for them to keep them.
    """
    print(json.dumps({name: _read(Path(path)) for name, path in logs.items()}))


def stands(log: Path) -> dict[str, Any] | None:
    """Number of lines and fingerprint of the last one, as the head tells; None: no chain has begun."""
    head = peek(log)
    return {"seq": head.seq, "prev": head.prev} if head else None


def _read(log: Path) -> dict[str, Any]:
    try:
        head = stands(log)
        return {"head": head, "key": read_key(first_key(log)).hex() if first_key(log).exists() else None}
    except (LedgerError, OSError) as error:
        return {"error": str(error)}
