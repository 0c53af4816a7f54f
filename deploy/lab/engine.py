"""The operator's own Docker engine."""

import docker
from docker.errors import DockerException

from deploy.lab.errors import LabError


def engine() -> docker.DockerClient:
    """The engine that DOCKER_HOST names, or this machine's. Raises LabError when it does not answer."""
    try:
        client = docker.from_env(timeout=600)  # seconds of silence: a command in a host may be quiet for long
        client.ping()
    except DockerException as error:
        raise LabError(
            f"no Docker engine answers: {error}", next="on Debian or Ubuntu: sudo deploy/lab/prerequisites.sh"
        ) from error
    return client
