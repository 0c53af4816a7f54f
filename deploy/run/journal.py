"""What every run leaves behind: one line on the host, one with the operator."""

import getpass
import json
import socket
from datetime import UTC, datetime
from typing import Any

from deploy.facts.chained.logs import LOGS
from deploy.facts.shell import ask
from deploy.paths import STATE

HOST_JOURNAL = LOGS["deploy"]
_LEDGER = "/opt/casemate/bin/casemate-ledger"


def entry(run: str, host: str, **what: Any) -> dict[str, Any]:
    """One run on one host. Times are UTC."""
    return {
        "run": run,
        "host": host,
        "by": f"{getpass.getuser()}@{socket.gethostname()}",
        "ended": datetime.now(UTC).isoformat("T", "seconds"),
        **what,
    }


def write(host: Any, line: dict[str, Any]) -> str | None:
    """Append to the host's chained journal; says why it could not, since a failed run must still be able to end."""
    answer = ask(host, _LEDGER, "append", HOST_JOURNAL, stdin=json.dumps(line))
    return None if answer.ok else "\n".join(answer.err) or "the ledger refused the line"


def keep(inventory: str, line: dict[str, Any]) -> None:
    """Append to the operator's own journal, which also has the runs that never reached the host."""
    folder = STATE / "journal"
    folder.mkdir(parents=True, exist_ok=True)
    STATE.chmod(0o700)
    with (folder / f"{inventory}.jsonl").open("a", encoding="utf-8") as journal:
        journal.write(json.dumps(line) + "\n")
