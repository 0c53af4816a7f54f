"""The program that reads the end of a chained log."""

import json
from pathlib import Path

from service.ledger.tail import last


def main(log: str, count: int, after: str) -> None:
    """Print {"lines": the last `count` lines as text}; of them those that follow the line `after`, if it is there."""
    try:
        found = [line.decode("utf-8", "backslashreplace") for line in last(Path(log), count)]
    except OSError as error:
        print(json.dumps({"error": str(error)}))
        return
    # By its text: a number could be forged, and would then hide what comes.
    known = max((at + 1 for at, line in enumerate(found) if line == after), default=0)
    print(json.dumps({"lines": found[known:]}))
