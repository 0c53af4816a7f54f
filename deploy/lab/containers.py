"""A lab's containers, volumes and network in Docker. All carry the lab's name as a label; nothing else is touched."""

import socket
from collections.abc import Callable, Mapping

import docker
from docker.errors import ImageNotFound, NotFound
from docker.models.containers import Container

from deploy.lab import image, machine, rootfs
from deploy.lab.errors import LabError
from deploy.lab.placed import Placed, archive

LABEL = "casemate.lab"
_PORTS = (22, 443)
_ROOMS = {"docker": "/var/lib/docker", "casemate": "/var/lib/casemate"}
"""Volumes of a host: overlayfs does not go on top of overlayfs, so its own engine needs the machine's file system."""


class Containers:
    """What one lab has in Docker."""

    def __init__(self, client: docker.DockerClient, lab: str, say: Callable[[str], None]) -> None:
        self._client = client
        self._lab = lab
        self._say = say
        self._mine: dict[str, str | list[str] | bool] = {"label": f"{LABEL}={lab}"}

    def hosts(self) -> dict[str, Container]:
        """Containers by host name, running or not, in order of their number."""
        found = self._client.containers.list(all=True, filters=self._mine, ignore_removed=True)
        named = {container.labels["casemate.host"]: container for container in found}
        return dict(sorted(named.items(), key=lambda item: (len(item[0]), item[0])))

    def make(self, host: str, release: str, files: Mapping[str, Placed]) -> None:
        """Create and start a host; `files` are by path relative to its root."""
        try:
            container = self._create(host, release)
        except ImageNotFound:  # another lab's `down` took the image away in between
            container = self._create(host, release)
        container.put_archive("/", archive(files))
        container.start()

    def _create(self, host: str, release: str) -> Container:
        name = f"{self._lab}-{host}"
        self._free("container", self._client.containers, name)
        config = machine.host_config(machine.bounding_set(), loop_devices=machine.has_loop_devices()) | {
            "Binds": [f"{self._volume(f'{name}-{room}')}:{path}" for room, path in _ROOMS.items()],
            "PortBindings": {f"{port}/tcp": [_loopback()] for port in _PORTS},
            "NetworkMode": self._network(),
        }
        # The low-level call: the SDK's own has no word for MaskedPaths.
        made = self._client.api.create_container(
            image.imported(self._client, release, self._say),
            name=name,
            hostname=host,
            command=machine.COMMAND,
            environment=machine.environment(self._client.info().get("CgroupVersion", "1")),
            labels={
                LABEL: self._lab,
                "casemate.host": host,
                "casemate.release": release,
                "casemate.rootfs": rootfs.version(release),
            },
            ports=list(_PORTS),
            stop_signal="SIGRTMIN+3",
            networking_config={"EndpointsConfig": {self._lab: {"Aliases": [host]}}},
            host_config=config,
        )
        return self._client.containers.get(made["Id"])

    def remove(self, host: str) -> None:
        """Remove a host with its volumes."""
        container = self.hosts().get(host)
        if container is not None:
            container.remove(force=True, v=True)
        for volume in self._client.volumes.list(filters=self._mine):
            if volume.name.startswith(f"{self._lab}-{host}-"):
                volume.remove(force=True)

    def remove_all(self) -> list[str]:
        """Remove everything of this lab, and images that no lab uses; the names of the hosts that were there."""
        names = list(self.hosts())
        for name in names:
            self.remove(name)
        for volume in self._client.volumes.list(filters=self._mine):
            volume.remove(force=True)
        for network in self._client.networks.list(filters=self._mine):
            network.remove()
        image.remove_unused(self._client)
        return names

    def _network(self) -> str:
        found = [network for network in self._client.networks.list(names=[self._lab]) if network.name == self._lab]
        if found:
            self._own("network", self._lab, found[0].attrs["Labels"])
        else:
            self._client.networks.create(self._lab, driver="bridge", labels={LABEL: self._lab})
        return self._lab

    def _volume(self, name: str) -> str:
        """A new volume: one of this lab that an interrupted `down` has left would bring an old host's state back."""
        self._free("volume", self._client.volumes, name)
        self._client.volumes.create(name, labels={LABEL: self._lab})
        return name

    def _free(self, kind: str, collection: object, name: str) -> None:
        """Remove this lab's own remains of that name; raises LabError where the name is another's."""
        try:
            found = collection.get(name)  # type: ignore[attr-defined]
        except NotFound:
            return
        self._own(kind, name, found.attrs.get("Labels") or found.attrs.get("Config", {}).get("Labels"))
        found.remove(force=True)

    def _own(self, kind: str, name: str, labels: Mapping[str, str] | None) -> None:
        if (labels or {}).get(LABEL) != self._lab:
            raise LabError(
                f"there is a {kind} {name} that this lab did not make (it has no label {LABEL}={self._lab})",
                next=f"rename or remove it (docker {kind} rm {name}), then: casemate lab up",
            )


def _loopback() -> dict[str, str]:
    """A loopback port that nobody listens on now; the host keeps it over a restart, unlike one that Docker picks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return {"HostIp": "127.0.0.1", "HostPort": str(probe.getsockname()[1])}
