"""What state a lab host is in, as `casemate lab status` shows it."""

from typing import Any

from deploy.lab.host import LabHost
from deploy.lab.ready import sshd_answers


def condition(host: LabHost) -> dict[str, Any]:
    """`up` is true when the container runs and sshd answers; `systemd` is its own word, with the units that failed."""
    runs = host.container.status == "running"
    sshd = runs and sshd_answers(host)
    failed = host.run("systemctl list-units --failed --plain --no-legend", check=False).stdout if runs else ""
    return {
        "host": host.name,
        "release": host.release,
        "up": sshd,
        "container": host.container.status,
        "systemd": host.run("systemctl is-system-running", check=False).stdout.strip() if runs else None,
        "failed": [line.split()[0] for line in failed.splitlines()],
        "ssh": f"{host.record.address}:{host.record.ssh_port}",
        "https": f"{host.record.address}:{host.record.https_port}",
    }
