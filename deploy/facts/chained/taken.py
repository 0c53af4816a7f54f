"""The program that forgets first keys which the operator keeps by now."""

import json
from pathlib import Path

from service.ledger.chain import LedgerError
from service.ledger.head import take


def main(kept: dict[str, str]) -> None:
    """Print {log: "" or why its key is still there}; `kept`: SHA-256 of the keys that the operator has, by path."""
    print(json.dumps({path: _take(Path(path), digest) for path, digest in kept.items()}))


def _take(log: Path, digest: str) -> str:
    try:
        return "" if take(log, digest) else "another key lies there"
    except (LedgerError, OSError) as error:
        return str(error)
