"""What is known of a running lab without asking Docker: lab.json, which inventories read."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deploy.errors import SettingsError
from deploy.lab.errors import LabError
from deploy.lab.keys import private_bytes
from deploy.paths import STATE

DIRECTORY = STATE / "lab"
"""The state of the operator's own lab."""


@dataclass(frozen=True)
class Record:
    """One lab host as the operator reaches it."""

    name: str
    release: str
    container: str
    address: str
    ssh_port: int
    https_port: int
    loop_devices: bool = False


def of(name: str, attributes: Mapping[str, Any]) -> Record:
    """From the attributes that Docker shows of a lab host's container."""
    bindings = attributes["HostConfig"]["PortBindings"]
    return Record(
        name=name,
        release=attributes["Config"]["Labels"]["casemate.release"],
        container=attributes["Name"].lstrip("/"),
        address=bindings["22/tcp"][0]["HostIp"],
        ssh_port=int(bindings["22/tcp"][0]["HostPort"]),
        https_port=int(bindings["443/tcp"][0]["HostPort"]),
        loop_devices=bool(attributes["HostConfig"].get("DeviceCgroupRules")),
    )


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
        raise LabError(f"{path}: unreadable: {error}", next="casemate lab down, then: casemate lab up") from error


def find(directory: Path, name: str) -> Record:
    """The host of that name. Raises CasemateError when there is none."""
    records = running(directory)
    for record in records:
        if record.name == name:
            return record
    names = ", ".join(record.name for record in records)
    raise SettingsError(f"no lab host {name}", next=f"name one of: {names}")


def running(directory: Path) -> list[Record]:
    """The hosts of a lab that is up. Raises LabError when there is none."""
    records = read(directory)
    if not records:
        raise LabError("no lab is running", next="casemate lab up")
    return records
