"""The program that verifies chained logs where they lie."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from service.ledger.chain import LedgerError
from service.ledger.head import first_key, read_key
from service.ledger.verification import Anchor, files, verify


def main(logs: dict[str, str], anchors: dict[str, dict[str, Any]]) -> None:
    """Print {log: verdict, or {"error"}}; `anchors` are the ends that the operator noted, by log."""
    print(json.dumps({name: judged(Path(path), anchors.get(name)) for name, path in logs.items()}))


def judged(log: Path, noted: dict[str, Any] | None) -> dict[str, Any]:
    """One log's verdict. One that nobody has written yet is good, unless lines of it had been noted."""
    try:
        if not files(log):
            message = f"is gone, {noted['seq']} lines had been noted at an earlier verification" if noted else ""
            lost = [{"kind": "truncated", "where": str(log), "message": message}] if noted else []
            return {"files": [], "lines": 0, "first": None, "last": None, "findings": lost, "end": None, "keyed": False}
        key = first_key(log)
        anchor = Anchor(noted["seq"], noted["prev"]) if noted else None
        verdict = verify(log, read_key(key) if key.exists() else None, anchor)
        return {**asdict(verdict), "keyed": key.exists()}
    except (LedgerError, OSError) as error:
        return {"error": str(error)}
