"""One image, one model and one configuration: built here, signed here, verified there."""

from pyinfra.api import deploy

from deploy.host_paths import HOST_CONFIGURATION, HOST_PROGRAMS, HOST_STATE
from deploy.operations.built import built
from deploy.operations.files import directory, file
from deploy.operations.program import program
from deploy.operations.ship import accept_release, make_room, ship_image, ship_model
from deploy.settings.host import HostSettings

PLACES = {
    f"{HOST_CONFIGURATION}/release": "0755",
    str(HOST_PROGRAMS): "0755",
    f"{HOST_PROGRAMS}/bin": "0755",
    str(HOST_STATE): "0755",
    f"{HOST_STATE}/incoming": "0700",
    f"{HOST_STATE}/blobs": "0700",
    f"{HOST_STATE}/models": "0755",
    f"{HOST_STATE}/releases": "0755",
}
"""Directories of root's, with their modes."""


@deploy("Release")
def apply(settings: HostSettings) -> None:
    """The host has verified and let in what it is to run; nothing of it runs yet."""
    release = built(settings)
    for path, mode in PLACES.items():
        directory(name=f"Make {path}", path=path, mode=mode)
    file(
        name="Write who may sign releases",
        path=f"{HOST_CONFIGURATION}/release/allowed_signers",
        content=release.signers,
    )
    program(name="Install the release program", package="release")
    make_room(name="Remove releases that nobody goes back to", release=release, keep=settings.release.keep)
    ship_image(name="Ship the image", release=release)
    ship_model(name="Ship the model", release=release)
    accept_release(name="Accept the release", release=release)
