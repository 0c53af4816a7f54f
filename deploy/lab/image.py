"""The Docker image of a lab host: its root file system as one layer, shared by all labs that run it."""

import fcntl
from collections.abc import Callable

import docker
from docker.errors import APIError, ImageNotFound

from deploy.lab import rootfs
from deploy.paths import cache

REPOSITORY = "casemate-lab"


def imported(client: docker.DockerClient, release: str, say: Callable[[str], None]) -> str:
    """The image's name, after importing it where the engine has none."""
    tag = rootfs.version(release)
    name = f"{REPOSITORY}:{tag}"
    path = rootfs.tar(release, say)
    # Two imports at once would leave one of the two images without a name, for nobody to remove.
    with (cache() / "lab" / f"{tag}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            client.images.get(name)
        except ImageNotFound:
            client.api.import_image_from_file(str(path), repository=REPOSITORY, tag=tag)
    return name


def remove_unused(client: docker.DockerClient) -> None:
    """Remove the images that no container of any lab uses."""
    for image in client.images.list(REPOSITORY):
        for name in image.tags:
            try:
                client.images.remove(name)
            except ImageNotFound:
                continue
            except APIError as error:
                if error.status_code != 409:  # 409: in use
                    raise
