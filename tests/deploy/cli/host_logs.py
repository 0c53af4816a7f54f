"""The chained logs of one host, gpu1, as `casemate logs` reads them: its programs run here, and see nothing of ours."""

from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from deploy.cli.logs import logs
from service.ledger import Ledger


def write(log: Path, count: int, **fields: Any) -> None:
    for number in range(count):
        Ledger(log).append({"event": "request", "number": number, "principal": "alice", **fields})


def run(*arguments: str) -> Result:
    return CliRunner().invoke(logs, [arguments[0], "inventory/lab.py", *arguments[1:]])
