"""The verifier behind Nginx, and the keys that it knows."""

import json

from pyinfra.api import deploy

from deploy.operations.boot import started_at_boot
from deploy.operations.built import built
from deploy.operations.configuration import SECCOMP, place_of
from deploy.operations.files import directory, file
from deploy.operations.handover import hand_over
from deploy.operations.templates import render
from deploy.settings.gate import GateSettings
from deploy.settings.host import HostSettings

UNIT = "casemate-gate.service"
CONFIGURATION = "/etc/casemate/gate"
SOCKETS = "/run/casemate/gate"


@deploy("Gate")
def apply(settings: HostSettings) -> None:
    """The accepted release's verifier serves; new keys reach it without a restart."""
    release = built(settings)
    directory(name="Make gate's configuration directory", path=CONFIGURATION, mode="0750", group="casemate-gate")
    file(
        name="Write the keys' digests",
        path=f"{CONFIGURATION}/keys.json",
        content=keys(settings.gate),
        mode="0440",
        group="casemate-gate",
    )
    file(name="Write the system call filter", path=place_of("gate", SECCOMP), content=SECCOMP.read_text())
    file(
        name="Make the sockets' directory at every boot",
        path="/etc/tmpfiles.d/casemate-gate.conf",
        content=render("gate/casemate-gate.conf.j2", sockets=SOCKETS),
    )
    directory(name="Make the sockets' directory", path=SOCKETS, mode="0750", group="www-data")
    file(name="Write gate's unit", path=f"/etc/systemd/system/{UNIT}", content=render(f"gate/{UNIT}.j2"))
    hand_over(name="Hand over to the new container", component="gate", release=release)
    started_at_boot(name="Start the live release at every boot", unit=UNIT)


def keys(settings: GateSettings) -> str:
    """keys.json: who is known, by digest alone."""
    known = [{"id": name, "sha256": digest.removeprefix("sha256:")} for name, digest in sorted(settings.keys.items())]
    return json.dumps({"keys": known}, indent=1) + "\n"
