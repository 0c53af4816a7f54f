"""A lab: named hosts on one network of their own, brought to the state asked for and taken down without a trace."""

import fcntl
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import docker
from docker.errors import DockerException
from docker.models.containers import Container

from deploy.lab import record, rootfs
from deploy.lab.containers import Containers, Placed
from deploy.lab.errors import LabError
from deploy.lab.host import LabHost
from deploy.lab.keys import key_pair, known_hosts_line, private_bytes
from deploy.lab.plan import wanted
from deploy.lab.ready import await_ready
from deploy.paths import STATE, cache


def engine() -> docker.DockerClient:
    """The operator's Docker engine. Raises LabError when none answers."""
    try:
        client = docker.from_env(timeout=600)
        client.ping()
    except DockerException as error:
        raise LabError(
            f"no Docker engine answers ({error}). Next, on Debian or Ubuntu: sudo deploy/lab/prerequisites.sh"
        ) from error
    return client


class Lab:
    """Hosts lab1..labN under one name; two labs of different names do not know each other.

    `name` prefixes all that is made in Docker and begins with "casemate-lab"; `directory` holds keys and lab.json.
    """

    def __init__(self, name: str = "casemate-lab", directory: Path = STATE / "lab") -> None:
        if not name.startswith("casemate-lab"):
            raise ValueError(f"{name!r}: expected a name that begins with casemate-lab")
        self.name = name
        self.directory = directory
        self._docker = Containers(engine(), name)

    def up(self, hosts: int | None = None, releases: Sequence[str] = ()) -> list[LabHost]:
        """Bring the lab to `hosts` hosts of `releases` in turn (see plan.wanted) and wait until they are ready."""
        with self._locked():
            existing = self._docker.hosts()
            plan = wanted({name: found.labels["casemate.release"] for name, found in existing.items()}, hosts, releases)
            for name, container in existing.items():
                if name not in plan or not self._usable(name, container, plan[name]):
                    print(f"{name}: removing it", file=sys.stderr)
                    self._docker.remove(name)
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            key_pair(self.directory / "operator")
            for name, release in plan.items():
                if name not in self._docker.hosts():
                    print(f"{name}: making it ({release})", file=sys.stderr)
                    self._make(name, release)
            self._record()
            found = self.hosts
            for host in found:
                await_ready(host)
            return found

    @property
    def hosts(self) -> list[LabHost]:
        """The hosts on record whose container exists, by name."""
        containers = self._docker.hosts()
        records = record.read(self.directory)
        return [LabHost(entry, self.directory, containers[entry.name]) for entry in records if entry.name in containers]

    def host(self, name: str) -> LabHost:
        """Raises LabError when there is no such host."""
        for found in self.hosts:
            if found.name == name:
                return found
        names = ", ".join(found.name for found in self.hosts) or "none"
        raise LabError(f"no lab host {name}; there is {names}. Next: casemate lab up")

    def down(self) -> list[str]:
        """Remove containers, volumes, network, images and keys; the names of the hosts that were there."""
        with self._locked():
            removed = self._docker.remove_all()
            shutil.rmtree(self.directory, ignore_errors=True)
        return removed

    def _usable(self, name: str, container: Container, release: str) -> bool:
        """Running, of the right release and recipe, and with keys that this directory holds."""
        held = (self.directory / "operator").exists() and (self.directory / f"{name}.hostkey").exists()
        current = container.labels.get("casemate.rootfs") == rootfs.version(release)
        return held and current and container.status == "running"

    def _make(self, name: str, release: str) -> None:
        host_key = self.directory / f"{name}.hostkey"
        public = key_pair(host_key) + "\n"
        operator = key_pair(self.directory / "operator") + "\n"
        files = {
            "etc/ssh/ssh_host_ed25519_key": Placed(host_key.read_bytes(), 0o600),
            "etc/ssh/ssh_host_ed25519_key.pub": Placed(public.encode(), 0o644),
            f"home/{rootfs.USER}/.ssh/": Placed(b"", 0o700, rootfs.UID),
            f"home/{rootfs.USER}/.ssh/authorized_keys": Placed(operator.encode(), 0o600, rootfs.UID),
        }
        self._docker.make(name, release, files)

    def _record(self) -> None:
        """Write lab.json and known_hosts from what Docker has."""
        records = [_as_record(name, container) for name, container in self._docker.hosts().items()]
        lines = [
            known_hosts_line(entry.address, entry.ssh_port, key_pair(self.directory / f"{entry.name}.hostkey"))
            for entry in records
        ]
        private_bytes(self.directory / "known_hosts", "".join(lines).encode())
        record.write(self.directory, records)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One `up` or `down` of a lab at a time; the lock lies outside the directory that `down` removes."""
        lock = cache() / "lab" / f"{self.name}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def _as_record(name: str, container: Container) -> record.Record:
    bindings = container.attrs["HostConfig"]["PortBindings"]
    return record.Record(
        name=name,
        release=container.labels["casemate.release"],
        container=container.name,
        address=bindings["22/tcp"][0]["HostIp"],
        ssh_port=int(bindings["22/tcp"][0]["HostPort"]),
        https_port=int(bindings["443/tcp"][0]["HostPort"]),
    )
