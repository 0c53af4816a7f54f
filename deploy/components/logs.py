"""Logs that outlive whoever wrote them, and the users who write them."""

from collections.abc import Sequence

from pyinfra import host
from pyinfra.api import deploy

from deploy.errors import SettingsError
from deploy.facts.chained.logs import LOGS as CHAINED
from deploy.facts.chained.logs import PLAIN
from deploy.facts.observed import observed
from deploy.host_paths import HOST_LOGS
from deploy.operations.chain import begun
from deploy.operations.file_system import file_of, file_system, mount_unit
from deploy.operations.files import absent, directory, file
from deploy.operations.packages import installed
from deploy.operations.program import program
from deploy.operations.templates import render
from deploy.operations.units import no_unit, unit
from deploy.operations.users import system_users
from deploy.settings.base import OperatorPath, in_bytes
from deploy.settings.host import HostSettings
from deploy.settings.logs import CONTAINED, ForwardSettings, LogsSettings

SYSUSERS = "/etc/sysusers.d/casemate.conf"
PLACE = "/etc/casemate/logs"
LOGROTATE = f"{PLACE}/logrotate.conf"
UNITS = "/etc/systemd/system/casemate-logrotate.{}"
JOURNALD = "/etc/systemd/journald.conf.d/casemate.conf"

FORWARD = "casemate-forward.service"
RSYSLOG = f"{PLACE}/rsyslog.conf"
FORWARD_CA = f"{PLACE}/forward-ca.pem"
FORWARD_PAIR = f"{PLACE}/forward.pem"
FORWARD_STATE = "/var/lib/casemate/forward"
APPARMOR = "/etc/apparmor.d/rsyslog.d/casemate"
# Ubuntu confines rsyslogd, by the path of its program: ours too, and the check of its configuration.
_CHECK = (
    "p=/etc/apparmor.d/usr.sbin.rsyslogd;"
    ' if [ -e "$p" ] && [ -d /sys/kernel/security/apparmor ]; then apparmor_parser -r "$p"; fi; rsyslogd -N1 -f {}'
)

OWNERS = {
    "deploy": ("root", "root"),
    "sentinel": ("root", "root"),
    "vision": ("casemate-vision", "casemate-vision"),
    "gate": ("casemate-gate", "casemate-gate"),
    # Nginx opens these as root at its start; when they are turned over, its workers (www-data) open them anew by path,
    # and need to pass. They cannot write here: who owns a directory decides what root opens there.
    "proxy": ("root", "www-data"),
}
"""Who writes in each component's directory: owner and group."""


@deploy("Logs")
def apply(settings: HostSettings) -> None:
    """Directories, the ledger and its chains, hourly turning over, a journal that stays, and copies elsewhere."""
    _users(settings)
    directory(name="Make the log directory", path=str(HOST_LOGS))
    if settings.logs.container_max:
        _bounds(in_bytes(settings.logs.container_max))
    for component, (owner, group) in OWNERS.items():
        directory(
            name=f"Make the log directory of {component}",
            path=f"{HOST_LOGS}/{component}",
            mode="0750",
            owner=owner,
            group=group,
        )
    program(name="Install the ledger", package="ledger")
    for component, log in CHAINED.items():
        begun(name=f"Begin the chain of {component}", log=log, owner=OWNERS[component][0])
    _rotation(settings.logs)
    _journal(settings.logs)
    if settings.logs.forward:
        contained = CONTAINED if settings.logs.container_max else ()
        _forward(settings.logs.forward, [mount_unit(f"{HOST_LOGS}/{component}") for component in contained])
    else:
        no_unit(name="Forward no logs", unit=FORWARD, path=f"/etc/systemd/system/{FORWARD}")
        absent(name="Keep no key for forwarding", path=FORWARD_PAIR)


def _users(settings: HostSettings) -> None:
    file(name="Describe the services' users", path=SYSUSERS, content=render("logs/sysusers.conf.j2", settings=settings))
    users = {"casemate-vision": settings.vision.uid, "casemate-gate": settings.gate.uid}
    system_users(name="Make the services' users", path=SYSUSERS, users=users)


def _bounds(size: int) -> None:
    """A container owns its log directory, and could fill the disk with whatever it likes beside its log."""
    installed(name="Install what makes file systems", packages=["e2fsprogs"])
    for component in CONTAINED:
        place = f"{HOST_LOGS}/{component}"
        file(
            name=f"Write the mount of {component}'s logs",
            path=f"/etc/systemd/system/{mount_unit(place)}",
            content=render("logs/container.mount.j2", component=component, place=place, file=file_of(place)),
        )
        file_system(
            name=f"Give {component}'s logs a file system of their own",
            place=place,
            size=size,
            component=component,
        )


def _rotation(settings: LogsSettings) -> None:
    installed(name="Install logrotate", packages=["logrotate"])
    directory(name="Make the configuration directory", path="/etc/casemate")
    directory(name="Make the logs' configuration directory", path=PLACE)
    file(
        name="Write the rules for turning logs over",
        path=LOGROTATE,
        content=render("logs/logrotate.conf.j2", size=in_bytes(settings.max_size)),
        check="logrotate --debug --state /dev/null {}",
    )
    for kind in ("service", "timer"):
        file(
            name=f"Write the {kind} that turns logs over",
            path=UNITS.format(kind),
            content=render(
                f"logs/casemate-logrotate.{kind}.j2",
                configuration=LOGROTATE,
                settings=settings,
                most=in_bytes(settings.max_total),
                journal=CHAINED["deploy"],
            ),
        )
    unit(name="Turn logs over every hour", unit="casemate-logrotate.timer", restarted_by=[UNITS.format("service")])


def _journal(settings: LogsSettings) -> None:
    directory(name="Make the journal's configuration directory", path="/etc/systemd/journald.conf.d")
    file(
        name="Keep the journal across reboots, and bound it",
        path=JOURNALD,
        content=render("logs/journald.conf.j2", bytes=in_bytes(settings.journal_max)),
    )
    unit(name="Run the journal with its configuration", unit="systemd-journald.service", restarted_by=[JOURNALD])


def _forward(settings: ForwardSettings, mounts: Sequence[str]) -> None:
    """An rsyslogd of our own: the distribution's, where there is one, goes on as it is.

    It watches directories, and goes on with the one beneath when a file system of `mounts` appears.
    """
    installed(name="Install rsyslog", packages=["rsyslog", "rsyslog-gnutls"])
    directory(name="Make the directory of lines that wait", path=FORWARD_STATE, mode="0700")
    file(name="Write the CA of the remote syslog", path=FORWARD_CA, content=_pem(settings.ca))
    if settings.certificate and settings.private_key:
        pair = _pem(settings.certificate) + _pem(settings.private_key)
        file(
            name="Write the certificate for the remote syslog and its key",
            path=FORWARD_PAIR,
            content=pair,
            mode="0600",
            secret=True,
        )
    if observed(host).required("os")["apparmor"]:
        directory(name="Make the directory of rsyslogd's exceptions", path="/etc/apparmor.d/rsyslog.d")
        rules = render("logs/apparmor.j2", configuration=RSYSLOG, state=FORWARD_STATE)
        file(name="Let rsyslogd read and keep what it forwards", path=APPARMOR, content=rules)
    file(name="Write what is forwarded, and where", path=RSYSLOG, content=forwarding(settings), check=_CHECK)
    service = render(f"logs/{FORWARD}.j2", configuration=RSYSLOG, state=FORWARD_STATE)
    file(name="Write the service that forwards logs", path=f"/etc/systemd/system/{FORWARD}", content=service)
    unit(name="Forward logs", unit=FORWARD, restarted_by=[RSYSLOG, FORWARD_CA, FORWARD_PAIR, *mounts])


def forwarding(settings: ForwardSettings) -> str:
    """rsyslogd's configuration."""
    return render(
        "logs/rsyslog.conf.j2",
        forward=settings,
        queue=in_bytes(settings.max_queue),
        state=FORWARD_STATE,
        ca=FORWARD_CA,
        certificate=FORWARD_PAIR if settings.certificate else None,
        logs={**CHAINED, **{f"proxy-{name}": path for name, path in PLAIN.items()}},
    )


def _pem(path: OperatorPath) -> str:
    try:
        return path.read_text(encoding="ascii").rstrip("\n") + "\n"
    except (OSError, ValueError) as error:
        raise SettingsError(f"logs.forward: {path} cannot be read ({error})", next="correct the path") from error
