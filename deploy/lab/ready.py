"""When a lab host is up: sshd answers and systemd has finished starting."""

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
    while not _sshd_answers(host.record.address, host.record.ssh_port):
        host.container.reload()
        if host.container.status != "running" or time.monotonic() > end:
            tail = host.container.logs(tail=10).decode(errors="replace")
            raise LabError(f"{host.name} ({host.container.status}) did not start its sshd:\n{tail}")
        time.sleep(0.1)
    return host.run("systemctl is-system-running --wait", check=False).stdout.strip()


def _sshd_answers(address: str, port: int) -> bool:
    """A TCP connection alone proves nothing: Docker's proxy accepts before the host listens."""
    try:
        with socket.create_connection((address, port), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
