"""The chained logs of one host, gpu1, as `casemate logs` reads them: its programs run here, and see nothing of ours."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from click.testing import CliRunner, Result

from deploy.cli.logs import logs
from service.ledger import Ledger

HOST = SimpleNamespace(name="gpu1")
INVENTORY = "inventory/lab.py"


def write(log: Path, count: int, **fields: Any) -> None:
    for number in range(count):
        Ledger(log).append({"event": "request", "number": number, "principal": "alice", **fields})


def run(*arguments: str) -> Result:
    return CliRunner().invoke(logs, [arguments[0], "inventory/lab.py", *arguments[1:]])


def verdict(log: str = "vision") -> dict[str, Any]:
    """What `verify` says of one log."""
    found: dict[str, Any] = json.loads(run("verify", "--json").stdout)["gpu1"][log]
    return found


def findings(log: str = "vision") -> list[tuple[str, str]]:
    """(kind, file:line) of everything that `verify` finds in one log."""
    return [(one["kind"], one["where"].rpartition("/")[2]) for one in verdict(log)["findings"]]
