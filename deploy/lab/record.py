"""What is known of a running lab without asking Docker: lab.json, which inventories read."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy.lab.errors import LabError
from deploy.lab.keys import private_bytes


@dataclass(frozen=True)
class Record:
    """One lab host as the operator reaches it."""

    name: str
    release: str
    container: str
    address: str
    ssh_port: int
    https_port: int


def write(directory: Path, records: Iterable[Record]) -> None:
    """Say what runs, for this operator only (0600)."""
    content = {"hosts": [asdict(record) for record in records]}
    private_bytes(directory / "lab.json", json.dumps(content, indent=2).encode() + b"\n")


def read(directory: Path) -> list[Record]:
    """The hosts of the lab whose state lies in `directory`; empty when there is no lab."""
    path = directory / "lab.json"
    try:
        return [Record(**entry) for entry in json.loads(path.read_text())["hosts"]]
    except FileNotFoundError:
        return []
    except (ValueError, TypeError, KeyError) as error:
        raise LabError(f"{path}: unreadable ({error}). Next: casemate lab down && casemate lab up") from error


def inventory(directory: Path) -> list[tuple[str, dict[str, Any]]]:
    """Hosts as a pyinfra inventory lists them: (name, data).

    Raises LabError when no lab is running.
    """
    records = read(directory)
    if not records:
        raise LabError("no lab is running. Next: casemate lab up")
    return [
        (
            record.name,
            {
                "ssh_hostname": record.address,
                "ssh_port": record.ssh_port,
                "ssh_key": str(directory / "operator"),
                "ssh_known_hosts_file": str(directory / "known_hosts"),
                "https_address": f"{record.address}:{record.https_port}",
            },
        )
        for record in records
    ]
