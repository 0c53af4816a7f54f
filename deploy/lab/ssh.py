"""How OpenSSH's client reaches a lab host."""

from pathlib import Path

from deploy.lab.record import Record
from deploy.lab.rootfs import USER


def ssh(record: Record, directory: Path, *command: str, tty: bool = False) -> list[str]:
    """A command line with the lab's own key and pinned host key, whatever the operator's ~/.ssh says."""
    options = {
        "IdentityFile": directory / "operator",
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": directory / "known_hosts",
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "LogLevel": "ERROR",
        "Port": record.ssh_port,
    }
    flags = [flag for name, value in options.items() for flag in ("-o", f"{name}={value}")]
    return ["ssh", "-F", "none", *(["-t"] if tty else []), *flags, f"{USER}@{record.address}", *command]
