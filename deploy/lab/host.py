"""A lab host that is up: how to reach it and how to run something in it."""

from dataclasses import dataclass
from pathlib import Path

from docker.models.containers import Container

from deploy.lab.errors import LabError
from deploy.lab.record import Record
from deploy.lab.rootfs import USER


@dataclass(frozen=True)
class Completed:
    """What a command in a lab host left."""

    status: int
    stdout: str
    stderr: str


@dataclass(frozen=True)
class LabHost:
    """One system container. `run` goes through Docker as root, so it works even when sshd does not."""

    record: Record
    directory: Path
    container: Container

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def release(self) -> str:
        return self.record.release

    @property
    def user(self) -> str:
        """The operator's user in the host: not root, may sudo without a password."""
        return USER

    @property
    def key(self) -> Path:
        return self.directory / "operator"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    def run(self, command: str, *, check: bool = True, user: str = "root") -> Completed:
        """Run `command` with bash. Raises LabError on a non-zero status unless `check` is False."""
        status, (stdout, stderr) = self.container.exec_run(["bash", "-c", command], demux=True, user=user)
        done = Completed(status, (stdout or b"").decode(errors="replace"), (stderr or b"").decode(errors="replace"))
        if check and done.status:
            raise LabError(f"{self.name}: {command!r} ended with {done.status}: {done.stderr or done.stdout}")
        return done

    def ssh(self, *command: str, tty: bool = False) -> list[str]:
        """The ssh command line that reaches this host as the operator does; the host key is the pinned one or none."""
        return ssh_command(self.record, self.directory, *command, tty=tty)


def ssh_command(record: Record, directory: Path, *command: str, tty: bool = False) -> list[str]:
    """ssh to a lab host with the lab's own key and known_hosts, whatever the operator's ~/.ssh says."""
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
