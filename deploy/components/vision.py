"""The container that holds the model."""

from pyinfra.api import deploy

from deploy.operations.boot import started_at_boot
from deploy.operations.built import built
from deploy.operations.configuration import SECCOMP, place_of
from deploy.operations.files import directory, file
from deploy.operations.handover import hand_over
from deploy.operations.templates import render
from deploy.settings.host import HostSettings

UNIT = "casemate-vision.service"
SOCKETS = "/run/casemate/vision"


@deploy("Vision")
def apply(settings: HostSettings) -> None:
    """The accepted release serves, and serves again after a reboot."""
    release, golden = built(settings), settings.vision.golden.picture
    directory(name="Make vision's configuration directory", path="/etc/casemate/vision")
    file(name="Write the system call filter", path=place_of("vision", SECCOMP), content=SECCOMP.read_text())
    file(name="Write the golden picture", path=place_of("vision", golden), content=golden.read_bytes())
    file(
        name="Make the sockets' directory at every boot",
        path="/etc/tmpfiles.d/casemate-vision.conf",
        content=render("vision/casemate-vision.conf.j2", sockets=SOCKETS),
    )
    directory(name="Make the sockets' directory", path=SOCKETS, mode="0750", group="www-data")
    file(
        name="Write vision's unit",
        path=f"/etc/systemd/system/{UNIT}",
        content=render(f"vision/{UNIT}.j2", settings=settings.vision),
    )
    hand_over(name="Hand over to the new container", component="vision", release=release)
    started_at_boot(name="Start the live release at every boot", unit=UNIT)
