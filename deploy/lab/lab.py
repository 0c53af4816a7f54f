"""A lab: named hosts on one network of their own, brought to the state asked for and taken down without a trace."""

import fcntl
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from docker.errors import APIError
from docker.models.containers import Container

from deploy.lab import record, rootfs
from deploy.lab.containers import Containers
from deploy.lab.engine import engine
from deploy.lab.errors import LabError
from deploy.lab.host import LabHost
from deploy.lab.keys import api_key, key_pair, known_hosts_line, private_bytes
from deploy.lab.placed import Placed
from deploy.lab.plan import wanted
from deploy.lab.ready import await_ready
from deploy.paths import cache


def _say(line: str) -> None:
    print(line, file=sys.stderr)


class Lab:
    """Hosts lab1..labN under one name; two labs of different names do not know each other.

    `name` prefixes all that is made in Docker and begins with "casemate-lab"; `directory` holds keys and lab.json.
    """

    def __init__(
        self, name: str = "casemate-lab", directory: Path = record.DIRECTORY, say: Callable[[str], None] = _say
    ) -> None:
        if not name.startswith("casemate-lab"):
            raise ValueError(f"lab name: got {name!r}, expected one that begins with casemate-lab")
        self.name = name
        self.directory = directory
        self._say = say
        self._docker = Containers(engine(), name, say)

    def up(self, hosts: int | None = None, releases: Sequence[str] = ()) -> list[LabHost]:
        """Bring the lab to `hosts` hosts of `releases` in turn (see plan.wanted) and wait until they are ready."""
        with self._alone():
            existing = self._docker.hosts()
            plan = wanted({name: found.labels["casemate.release"] for name, found in existing.items()}, hosts, releases)
            kept = {name for name, found in existing.items() if name in plan and self._fit(name, found, plan[name])}
            for name in existing.keys() - kept:
                self._say(f"{name}: removing it")
                self._docker.remove(name)
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            api_key(self.directory / "api-key")
            for name in plan:
                if name not in kept:
                    self._say(f"{name}: starting it ({plan[name]})")
                    self._docker.make(name, plan[name], self._files(name))
            self._write_down()
            for host in self.hosts:
                state = await_ready(host)
                if state != "running":
                    self._say(f"{host.name}: systemd is {state or 'still starting'}. Next: casemate lab status")
            return self.hosts

    @property
    def hosts(self) -> list[LabHost]:
        """The hosts on record whose container exists, running or not."""
        containers = self._docker.hosts()
        records = record.read(self.directory)
        return [LabHost(entry, self.directory, containers[entry.name]) for entry in records if entry.name in containers]

    def down(self) -> list[str]:
        """Remove containers, volumes, network, images and keys; the names of the hosts that were there."""
        with self._alone():
            removed = self._docker.remove_all()
            shutil.rmtree(self.directory, ignore_errors=True)
        return removed

    def _fit(self, name: str, container: Container, release: str) -> bool:
        """Running, of the right release and recipe, and with keys that this directory holds."""
        held = (self.directory / "operator").exists() and (self.directory / f"{name}.hostkey").exists()
        current = container.labels.get("casemate.rootfs") == rootfs.version(release)
        return held and current and container.status == "running"

    def _files(self, name: str) -> dict[str, Placed]:
        host_key = self.directory / f"{name}.hostkey"
        public = key_pair(host_key) + "\n"
        operator = key_pair(self.directory / "operator") + "\n"
        return {
            "etc/ssh/ssh_host_ed25519_key": Placed(host_key.read_bytes(), 0o600),
            "etc/ssh/ssh_host_ed25519_key.pub": Placed(public.encode(), 0o644),
            f"home/{rootfs.USER}/.ssh/": Placed(b"", 0o700, rootfs.UID),
            f"home/{rootfs.USER}/.ssh/authorized_keys": Placed(operator.encode(), 0o600, rootfs.UID),
        }

    def _write_down(self) -> None:
        """lab.json and known_hosts, from what Docker has."""
        records = [record.of(name, container.attrs) for name, container in self._docker.hosts().items()]
        lines = [
            known_hosts_line(entry.address, entry.ssh_port, key_pair(self.directory / f"{entry.name}.hostkey"))
            for entry in records
        ]
        private_bytes(self.directory / "known_hosts", "".join(lines).encode())
        record.write(self.directory, records)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One `up` or `down` of a lab at a time; the lock lies outside the directory that `down` removes."""
        lock = cache() / "lab" / f"{self.name}.lock"
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            try:
                yield
            except APIError as error:
                raise LabError(
                    f"{self.name}: the Docker engine refused: {error.explanation or error}",
                    next="casemate lab down, then: casemate lab up",
                ) from error
