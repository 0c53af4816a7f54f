"""A lab's hosts as a pyinfra inventory lists them."""

from pathlib import Path
from typing import Any

from pyinfra.api.exceptions import PyinfraError

from deploy.lab.errors import LabError
from deploy.lab.record import Record, running
from service.gate.keys import digest


class NotRunningError(LabError, PyinfraError):
    """A lab's error while plain pyinfra reads the inventory: it prints its own errors in a line, others as a trace."""


def inventory(directory: Path) -> list[tuple[str, dict[str, Any]]]:
    """(name, data) of each host of the lab whose state lies in `directory`: what is its own, the rest is group data.

    Raises NotRunningError when no lab is running.
    """
    try:
        records = running(directory)
    except LabError as error:
        raise NotRunningError(error.message, next=error.next) from error
    return [(record.name, _data(record, directory)) for record in records]


def _data(record: Record, directory: Path) -> dict[str, Any]:
    api_key = directory / "api-key"
    # A file system in a file needs a loop device, and not every machine has one to lend.
    bounds = {} if record.loop_devices else {"logs": {"container_max": None}}
    return {
        **bounds,
        "ssh_hostname": record.address,
        "ssh_port": record.ssh_port,
        "ssh_key": str(directory / "operator"),
        "ssh_known_hosts_file": str(directory / "known_hosts"),
        "proxy": {"server_name": f"{record.name}.casemate.test", "address": f"{record.address}:{record.https_port}"},
        "gate": {"keys": {"lab": f"sha256:{digest(api_key.read_text().strip())}"}, "api_key_file": str(api_key)},
    }
