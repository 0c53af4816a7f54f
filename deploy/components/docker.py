"""The container engine, and the one file that says how it runs."""

from typing import Any

from pyinfra import host
from pyinfra.api import deploy

from deploy.facts.observed import observed
from deploy.operations.apt_repository import Repository, apt_repository, key_path
from deploy.operations.engine import CONFIGURATION, engine, live_restore
from deploy.operations.files import directory, file
from deploy.operations.packages import installed
from deploy.operations.signing_key import signing_key
from deploy.operations.templates import render
from deploy.operations.units import unit
from deploy.settings.docker import DockerSettings
from deploy.settings.host import HostSettings

# 20.10 cannot check its configuration, but it can be told from one that can.
CHECK = (
    "c={}; if dockerd --help | grep -q -- '--validate'; then dockerd --validate --config-file \"$c\";"
    ' else python3 -m json.tool "$c" >/dev/null; fi'
)


@deploy("Container engine")
def apply(settings: HostSettings) -> None:
    """The engine runs with our configuration; containers that run go on running."""
    system = observed(host).required("os")
    apt_repository(
        name="Take the engine from the wanted repository",
        stem="docker",
        repository=repository(settings.docker, system, _key_on_host()),
    )
    installed(name="Install the engine", packages=packages(settings.docker, system))
    directory(name="Make the engine's configuration directory", path="/etc/docker")
    file(
        name="Write the engine's configuration",
        path=CONFIGURATION,
        content=render("docker/daemon.json.j2", settings=settings.docker),
        check=CHECK,
    )
    live_restore(name="Let containers outlive the engine's restart")
    unit(name="Run containerd", unit="containerd.service")
    engine(name="Run the engine with its configuration", waits=True)


def packages(settings: DockerSettings, system: dict[str, Any]) -> list[str]:
    """What the engine consists of: Debian 13 has the client apart; no engine brings what loads AppArmor profiles."""
    if settings.source == "docker":
        needed = ["docker-ce", "docker-ce-cli", "containerd.io"]
    elif (system["id"], system["version_id"]) == ("debian", "13"):
        needed = ["docker.io", "docker-cli"]
    else:
        needed = ["docker.io"]
    return [*needed, "iptables", "apparmor"]


def repository(settings: DockerSettings, system: dict[str, Any], key_on_host: str | None) -> Repository | None:
    """Docker's own repository for this distribution; None where the distribution's packages are wanted."""
    if settings.source == "distribution":
        return None
    return Repository(
        uri=f"{str(settings.mirror).rstrip('/')}/{system['id']}",
        suite=system["codename"],
        component="stable",
        key=signing_key(settings, system["id"], key_on_host),
    )


def _key_on_host() -> str | None:
    found = observed(host).file(key_path("docker"))
    return found["content"] if found else None
