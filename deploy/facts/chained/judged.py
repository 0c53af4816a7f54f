"""The program that verifies chained logs where they lie."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from service.ledger.chain import LedgerError
from service.ledger.head import first_key, observe, read_key
from service.ledger.verdict import Anchor, Verdict
from service.ledger.verification import files, verify


def main(logs: dict[str, str], noted: dict[str, list[dict[str, Any]]]) -> None:
    """Print {log: verdict, or {"error"}}; `noted` are the ends {seq, prev} that the operator knows of, by log."""
    print(json.dumps({name: judged(Path(path), noted.get(name, [])) for name, path in logs.items()}))


def judged(log: Path, noted: list[dict[str, Any]]) -> dict[str, Any]:
    """One log's verdict. One that nobody has written yet is good, unless lines of it are known of."""
    anchors = [Anchor(end["seq"], end["prev"]) for end in noted]
    try:
        if not files(log):
            return {**asdict(_gone(log, anchors)), "keyed": False}
        key = first_key(log)
        verdict = verify(log, read_key(key) if key.exists() else None, anchors)
        return {**asdict(verdict), "keyed": key.exists()}
    except (LedgerError, OSError) as error:
        return {"error": str(error)}


def _gone(log: Path, anchors: list[Anchor]) -> Verdict:
    verdict, head = Verdict([]), observe(log)[0]
    if known := max((anchor.seq for anchor in anchors), default=0):
        verdict.found("truncated", str(log), f"is gone, {known} lines had been noted earlier")
    elif head and head.seq:
        verdict.found("truncated", str(log), f"is gone, the head knows {head.seq} lines")
    return verdict
