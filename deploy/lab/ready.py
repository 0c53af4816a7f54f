"""Whether a lab host is up: sshd answers and systemd has finished starting."""

import socket
import time

from deploy.lab.errors import LabError
from deploy.lab.host import LabHost

_SECONDS = 60.0


def await_ready(host: LabHost) -> str:
    """Wait until `host` is up; systemd's own word for it: "running", or "degraded" when a unit failed.

    Raises LabError after a minute, with the end of the host's boot messages.
    """
    end = time.monotonic() + _SECONDS
    while not sshd_answers(host):
        host.container.reload()
        if host.container.status != "running" or time.monotonic() > end:
            tail = host.container.logs(tail=10).decode(errors="replace").strip()
            raise LabError(
                f"{host.name} ({host.container.status}): no sshd after it was started; its last words:\n{tail}",
                next=f"docker logs {host.record.container}",
            )
        time.sleep(0.1)
    return host.run(f"timeout {_SECONDS} systemctl is-system-running --wait", check=False).stdout.strip()


def sshd_answers(host: LabHost) -> bool:
    """A TCP connection alone proves nothing: Docker's proxy accepts before the host listens."""
    try:
        with socket.create_connection((host.record.address, host.record.ssh_port), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
