"""Logs that outlive whoever wrote them, and the users who write them."""

from pyinfra.api import deploy

from deploy.operations.files import directory, file
from deploy.operations.packages import installed
from deploy.operations.program import program
from deploy.operations.templates import render
from deploy.operations.units import unit
from deploy.operations.users import system_users
from deploy.settings.base import in_bytes
from deploy.settings.host import HostSettings

LOGS = "/var/log/casemate"
SYSUSERS = "/etc/sysusers.d/casemate.conf"
LOGROTATE = "/etc/casemate/logs/logrotate.conf"
UNITS = "/etc/systemd/system/casemate-logrotate.{}"
JOURNALD = "/etc/systemd/journald.conf.d/casemate.conf"

OWNERS = {
    "deploy": ("root", "root"),
    "vision": ("casemate-vision", "casemate-vision"),
    "gate": ("casemate-gate", "casemate-gate"),
    "sentinel": ("root", "root"),
    # Nginx opens these as root at its start; when they are turned over, its workers (www-data) open them anew by path,
    # and need to pass. They cannot write here: who owns a directory decides what root opens there.
    "proxy": ("root", "www-data"),
}
"""Who writes in each component's directory: owner and group."""


@deploy("Logs")
def apply(settings: HostSettings) -> None:
    """Directories, the ledger, hourly turning over, and a journal that survives a reboot."""
    _users(settings)
    directory(name="Make the log directory", path=LOGS)
    for component, (owner, group) in OWNERS.items():
        directory(
            name=f"Make the log directory of {component}",
            path=f"{LOGS}/{component}",
            mode="0750",
            owner=owner,
            group=group,
        )
    program(name="Install the ledger", package="ledger")
    _rotation(settings)
    _journal()


def _users(settings: HostSettings) -> None:
    file(name="Describe the services' users", path=SYSUSERS, content=render("logs/sysusers.conf.j2", settings=settings))
    users = {"casemate-vision": settings.vision.uid, "casemate-gate": settings.gate.uid}
    system_users(name="Make the services' users", path=SYSUSERS, users=users)


def _rotation(settings: HostSettings) -> None:
    installed(name="Install logrotate", packages=["logrotate"])
    directory(name="Make the configuration directory", path="/etc/casemate")
    directory(name="Make the logs' configuration directory", path="/etc/casemate/logs")
    file(
        name="Write the rules for turning logs over",
        path=LOGROTATE,
        content=render("logs/logrotate.conf.j2", settings=settings.logs, size=in_bytes(settings.logs.max_size)),
        check="logrotate --debug --state /dev/null {}",
    )
    for kind in ("service", "timer"):
        file(
            name=f"Write the {kind} that turns logs over",
            path=UNITS.format(kind),
            content=render(f"logs/casemate-logrotate.{kind}.j2", configuration=LOGROTATE),
        )
    unit(name="Turn logs over every hour", unit="casemate-logrotate.timer", restarted_by=[UNITS.format("service")])


def _journal() -> None:
    directory(name="Make the journal's configuration directory", path="/etc/systemd/journald.conf.d")
    file(name="Keep the journal across reboots", path=JOURNALD, content=render("logs/journald.conf.j2"))
    unit(name="Run the journal with its configuration", unit="systemd-journald.service", restarted_by=[JOURNALD])
