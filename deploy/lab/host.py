"""A lab host that is up: how to reach it and how to run something in it."""

from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import cast

from docker.models.containers import Container

from deploy.lab.errors import LabError
from deploy.lab.placed import Placed, archive
from deploy.lab.record import Record
from deploy.lab.rootfs import USER
from deploy.lab.ssh import ssh


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
        """The operator's private SSH key."""
        return self.directory / "operator"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    def run(self, command: str, *, check: bool = True, user: str = "root") -> Completed:
        """Run `command` with bash. Raises LabError on a non-zero status unless `check` is False."""
        ended = self.container.exec_run(["bash", "-c", command], demux=True, user=user)
        # The SDK's type covers its other forms too: with demux and without a stream it is a status and two outputs.
        stdout, stderr = cast("tuple[bytes | None, bytes | None]", ended.output)
        done = Completed(ended.exit_code or 0, _text(stdout), _text(stderr))
        if check and done.status:
            output = (done.stderr or done.stdout).strip()
            raise LabError(
                f"{self.name}: {shorten(command, 80)!r} ended with {done.status}: {output}",
                next=f"casemate lab shell {self.name}",
            )
        return done

    def put(self, path: str, content: bytes, mode: int = 0o644) -> None:
        """Write a file of root's, not below /run or /tmp: Docker would write beneath what is mounted there."""
        self.container.put_archive("/", archive({path.lstrip("/"): Placed(content, mode)}))

    def ssh(self, *command: str, tty: bool = False) -> list[str]:
        """The ssh command line that reaches this host as the operator does."""
        return ssh(self.record, self.directory, *command, tty=tty)


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace")
