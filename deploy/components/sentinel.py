"""The file-integrity monitor: a daemon of the host's own python3, behind walls of its own."""

import json
from typing import Any

from pyinfra.api import deploy

from deploy.errors import SettingsError
from deploy.host_paths import HOST_CONFIGURATION, HOST_LOGS, HOST_MAINTENANCE, HOST_PROGRAMS, HOST_RUN, HOST_STATE
from deploy.operations.files import absent, directory, file
from deploy.operations.program import locked_wheels, program
from deploy.operations.templates import render
from deploy.operations.units import unit
from deploy.settings.base import OperatorPath
from deploy.settings.host import HostSettings
from deploy.settings.sentinel import SentinelSettings

UNIT = "casemate-sentinel.service"
PROGRAM = f"{HOST_PROGRAMS}/bin/casemate-sentinel"
CONFIGURATION = f"{HOST_CONFIGURATION}/sentinel"
RUNTIME, STATE, LOGS = f"{HOST_RUN}/sentinel", f"{HOST_STATE}/sentinel", f"{HOST_LOGS}/sentinel"
SECRET, CA = f"{CONFIGURATION}/webhook-secret", f"{CONFIGURATION}/syslog-ca.pem"


@deploy("Sentinel")
def apply(settings: HostSettings) -> None:
    """It watches what this deploy has put there, and knows that it was the deploy."""
    sentinel = settings.sentinel
    wheels = locked_wheels("sentinel", settings.release)
    program(name="Install the sentinel", package="sentinel", also=("ledger",), wheels=wheels)
    directory(name="Make the sentinel's configuration directory", path=CONFIGURATION, mode="0700")
    directory(name="Make the directory of baselines and evidence", path=STATE, mode="0700")
    file(
        name="Write what is watched",
        path=f"{CONFIGURATION}/sentinel.json",
        content=configuration(sentinel),
        mode="0600",
    )
    _beside("the webhook's secret", SECRET, sentinel.webhook.secret if sentinel.webhook else None)
    _beside("the syslog server's CA", CA, sentinel.syslog.ca if sentinel.syslog else None)
    file(
        name="Make the sentinel's runtime directory at every boot",
        path="/etc/tmpfiles.d/casemate-sentinel.conf",
        content=render("sentinel/casemate-sentinel.conf.j2", runtime=RUNTIME),
    )
    # Its group's, and so are the files in it: Nginx shows one of them.
    directory(name="Make the sentinel's runtime directory", path=RUNTIME, mode="2750", group="www-data")
    file(name="Write the sentinel's unit", path=f"/etc/systemd/system/{UNIT}", content=unit_file(sentinel))
    unit(
        name="Run the sentinel with its current files",
        unit=UNIT,
        restarted_by=[PROGRAM, f"{CONFIGURATION}/sentinel.json", SECRET, CA],
    )


def _beside(what: str, path: str, source: OperatorPath | None) -> None:
    if source is None:
        absent(name=f"Remove {what}", path=path)
        return
    try:
        content = source.read_bytes()
    except OSError as error:
        raise SettingsError(f"{what}: {error}", next="name a file that is there, in the group data") from error
    file(name=f"Write {what}", path=path, content=content, mode="0600", secret=True)


def unit_file(sentinel: SentinelSettings) -> str:
    """The unit; without an outlet it has no network at all."""
    return render(
        f"sentinel/{UNIT}.j2",
        program=PROGRAM,
        writable=f"{STATE} {LOGS} {RUNTIME} {HOST_MAINTENANCE}",
        network=bool(sentinel.webhook or sentinel.syslog or sentinel.alertmanager),
    )


def configuration(sentinel: SentinelSettings) -> str:
    """sentinel.json, as service/sentinel/configuration.py reads it."""
    chosen = sentinel.model_dump(
        mode="json", include={"source", "who", "sweep_seconds", "rehash_hours", "heartbeat_seconds", "containers"}
    )
    return json.dumps({"sets": sentinel.watched, **chosen, "outlets": _outlets(sentinel)}, indent=1) + "\n"


def _outlets(sentinel: SentinelSettings) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if webhook := sentinel.webhook:
        found["webhook"] = {"url": str(webhook.url), **({"secret_file": SECRET} if webhook.secret else {})}
    if syslog := sentinel.syslog:
        place = syslog.model_dump(include={"host", "port", "protocol"})
        found["syslog"] = {**place, **({"ca_file": CA} if syslog.ca else {})}
    if sentinel.alertmanager:
        found["alertmanager"] = {"url": str(sentinel.alertmanager.url)}
    return found
