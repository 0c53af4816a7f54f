"""A lab host that is up: how to reach it and how to run something in it."""

from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
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
        # Through files: an engine of 20.10 ends an exec now and then before it has passed its output on. A host that
        # boots empties /tmp.
        kept = f"/var/tmp/.{token_hex(8)}"  # noqa: S108  the host's
        ended = self.container.exec_run(["bash", "-c", f"{{ {command}\n}} >{kept}.out 2>{kept}.err"], user=user)
        done = Completed(ended.exit_code or 0, self._read(f"{kept}.out"), self._read(f"{kept}.err"))
        self.container.exec_run(["rm", "-f", f"{kept}.out", f"{kept}.err"])
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

    def _read(self, path: str) -> str:
        """A file of the host, whole: its size comes first."""
        for _ in range(20):
            shown = cast(bytes, self.container.exec_run(["bash", "-c", f"stat -c %s {path} && cat {path}"]).output)
            size, _, content = shown.partition(b"\n")
            if size == str(len(content)).encode():
                return content.decode(errors="replace")
        raise LabError(f"{self.name}: {path} could not be read", next=f"casemate lab shell {self.name}")

    def ssh(self, *command: str, tty: bool = False) -> list[str]:
        """The ssh command line that reaches this host as the operator does."""
        return ssh(self.record, self.directory, *command, tty=tty)


def _text(output: bytes | None) -> str:
    return (output or b"").decode(errors="replace")
