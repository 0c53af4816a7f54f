"""A lab's things in Docker: containers, volumes, one network, images. All carry the lab's name in a label."""

import io
import socket
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass

import docker
from docker.errors import APIError, ImageNotFound, NotFound
from docker.models.containers import Container

from deploy.lab import machine, rootfs
from deploy.lab.errors import LabError

LABEL = "casemate.lab"
IMAGE = "casemate-lab"
_PORTS = (22, 443)
_ROOMS = {"docker": "/var/lib/docker", "casemate": "/var/lib/casemate"}
"""Volumes of a host: overlayfs does not go on top of overlayfs, so its own engine needs the machine's file system."""


@dataclass(frozen=True)
class Placed:
    """A file that a host has before it first boots."""

    content: bytes
    mode: int
    uid: int = 0


class Containers:
    """What one lab has in Docker. Foreign things of the same name are never touched."""

    def __init__(self, client: docker.DockerClient, lab: str) -> None:
        self._client = client
        self._lab = lab
        self._mine = {"label": f"{LABEL}={lab}"}

    def hosts(self) -> dict[str, Container]:
        """Containers by host name, running or not, in order of their number."""
        found = self._client.containers.list(all=True, filters=self._mine)
        named = {container.labels["casemate.host"]: container for container in found}
        return dict(sorted(named.items(), key=lambda item: (len(item[0]), item[0])))

    def make(self, host: str, release: str, files: Mapping[str, Placed]) -> Container:
        """Create and start a host; `files` are by path relative to its root.

        Raises LabError when a foreign container or network has the name, or the engine refuses.
        """
        for _ in range(2):
            try:
                return self._make(host, release, files)
            except ImageNotFound:
                continue  # another lab's `down` removed the image in between
            except APIError as error:
                raise LabError(f"{self._lab}-{host}: the Docker engine refused: {error.explanation}") from error
        raise LabError(f"{self._lab}-{host}: its image disappeared twice. Next: casemate lab up")

    def _make(self, host: str, release: str, files: Mapping[str, Placed]) -> Container:
        name = f"{self._lab}-{host}"
        self._refuse_foreign(name)
        self._import(release)
        for room in _ROOMS:
            self._client.volumes.create(f"{name}-{room}", labels={LABEL: self._lab})
        config = machine.host_config(machine.bounding_set())
        config["Binds"] = [f"{name}-{room}:{path}" for room, path in _ROOMS.items()]
        config["PortBindings"] = {f"{port}/tcp": [_loopback()] for port in _PORTS}
        config["NetworkMode"] = self._network()
        # The low-level call, because the SDK's own has no word for MaskedPaths.
        made = self._client.api.create_container(
            f"{IMAGE}:{rootfs.version(release)}",
            name=name,
            hostname=host,
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
            command=machine.COMMAND,
            environment=self._environment(),
        )
        container = self._client.containers.get(made["Id"])
        container.put_archive("/", _archive(files))
        container.start()
        return container

    def remove(self, host: str) -> None:
        """Remove a host with its volumes."""
        container = self.hosts().get(host)
        if container is not None:
            container.remove(force=True, v=True)
        for room in _ROOMS:
            try:
                self._client.volumes.get(f"{self._lab}-{host}-{room}").remove(force=True)
            except NotFound:
                continue

    def remove_all(self) -> list[str]:
        """Remove everything of this lab, and images that no other lab uses; the names of the hosts that were there."""
        names = list(self.hosts())
        for name in names:
            self.remove(name)
        for volume in self._client.volumes.list(filters=self._mine):
            volume.remove(force=True)
        for network in self._client.networks.list(filters=self._mine):
            network.remove()
        for image in self._client.images.list(IMAGE):
            for tag in image.tags:
                try:
                    self._client.images.remove(tag)
                except APIError as error:
                    if error.status_code != 409:  # 409: another lab's container uses it
                        raise
        return names

    def _refuse_foreign(self, name: str) -> None:
        try:
            found = self._client.containers.get(name)
        except NotFound:
            return
        raise LabError(
            f"a container {name} exists that this lab did not make (no label {LABEL}={self._lab}), "
            f"expected the name to be free. Next: docker rm -f {found.name}"
        )

    def _network(self) -> str:
        for network in self._client.networks.list(names=[self._lab]):
            if network.name == self._lab and network.attrs["Labels"].get(LABEL) != self._lab:
                raise LabError(f"a network {self._lab} exists that this lab did not make. Next: docker network rm {self._lab}")
            if network.name == self._lab:
                return self._lab
        self._client.networks.create(self._lab, driver="bridge", check_duplicate=True, labels={LABEL: self._lab})
        return self._lab

    def _environment(self) -> dict[str, str]:
        legacy = self._client.info().get("CgroupVersion", "1") == "1"
        return {"container": "docker", **(machine.LEGACY if legacy else {})}

    def _import(self, release: str) -> None:
        tag = rootfs.version(release)
        try:
            self._client.images.get(f"{IMAGE}:{tag}")
        except ImageNotFound:
            self._client.api.import_image_from_file(str(rootfs.tar(release)), repository=IMAGE, tag=tag)


def _loopback() -> dict[str, str]:
    """A loopback port that nobody listens on now; the host keeps it over a restart, unlike one that Docker picks."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return {"HostIp": "127.0.0.1", "HostPort": str(probe.getsockname()[1])}


def _archive(files: Mapping[str, Placed]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path, placed in files.items():
            entry = tarfile.TarInfo(path)
            entry.mode, entry.uid, entry.gid = placed.mode, placed.uid, placed.uid
            if path.endswith("/"):
                entry.type = tarfile.DIRTYPE
                archive.addfile(entry)
            else:
                entry.size = len(placed.content)
                archive.addfile(entry, io.BytesIO(placed.content))
    return buffer.getvalue()
