"""Throwaway networks and containers, through the engine's API. They go when the program ends, however it ends."""

import ipaddress
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from deploy.facts.posture.engine import DOCKER_SOCKET, Engine
from deploy.facts.posture.read import Json
from deploy.facts.probes.running import Running

LABEL, STARTED = "casemate.probe", "casemate.probe.started"
SECONDS = 30
STALE_SECONDS = 120
IN_FLIGHT_SECONDS = 5
ROUNDS, PAUSE_SECONDS = 50, 0.2


class Stage:
    """What one experiment makes. All of it carries the label with the experiment's token."""

    def __init__(self, token: str) -> None:
        self.token = token
        self.name = f"casemate-probe-{token}"
        self._labels = {LABEL: token, STARTED: str(int(time.time()))}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the engine; None for an empty answer. Raises RuntimeError for a status of 400 and above."""
        return json.loads(self.raw(method, path, body) or b"null")

    def raw(self, method: str, path: str, body: Any = None) -> bytes:
        """The same, with the answer as it came."""
        engine = Engine(DOCKER_SOCKET, timeout=SECONDS)
        try:
            payload = None if body is None else json.dumps(body)
            engine.request(method, path, payload, {"Host": "docker", "Content-Type": "application/json"})
            answer = engine.getresponse()
            data = answer.read()
            if answer.status >= 400:
                raise RuntimeError(f"{method} {path}: {answer.status} {data[:300].decode(errors='replace').strip()}")
            return data
        finally:
            engine.close()

    def network(self) -> str:
        """Make an open network called `name`, where the attempts must succeed; the host's address on it."""
        subnet, gateway = somewhere(int(self.token, 16))
        wanted = {
            "Name": self.name,
            "Driver": "bridge",
            "Labels": self._labels,
            "IPAM": {"Config": [{"Subnet": subnet, "Gateway": gateway}]},
            "Options": {"com.docker.network.bridge.enable_ip_masquerade": "false"},
        }
        self.ask("POST", "/networks/create", wanted)
        return gateway

    def start(self, name: str, container: Json) -> Running:
        """A container that is removed when its first process ends. Its output is caught from the very beginning."""
        removed = {**container["HostConfig"], "AutoRemove": True}
        wanted = {
            **container,
            "HostConfig": removed,
            "Labels": self._labels,
            "AttachStdout": True,
            "AttachStderr": True,
        }
        found = self.ask("POST", f"/containers/create?name={self.name}-{name}", wanted)["Id"]
        running = Running(found, SECONDS)
        self.raw("POST", f"/containers/{found}/start")
        return running

    def address(self, running: Running) -> str | None:
        """The container's address on its network; None where it has none."""
        networks = self.ask("GET", f"/containers/{running.container}/json")["NetworkSettings"]["Networks"]
        return next((str(row["IPAddress"]) for row in networks.values() if row["IPAddress"]), None)

    def clear(self) -> None:
        """Remove all that this experiment made: again and again, since a network goes only after its containers."""
        for _ in range(ROUNDS):
            if not self._remove(f"{LABEL}={self.token}", lambda _: True):
                return
            time.sleep(PAUSE_SECONDS)

    def clear_stale(self) -> None:
        """Remove what earlier experiments had no chance to remove."""
        self._remove(LABEL, lambda row: time.time() - int(row["Labels"][STARTED]) > STALE_SECONDS)

    def _remove(self, label: str, wanted: Callable[[Json], bool]) -> int:
        """Try to remove the containers and networks with a label; how many there were."""
        query, found = f'filters={{"label":["{label}"]}}', 0
        for kind, listing in (("containers", f"/containers/json?all=1&{query}"), ("networks", f"/networks?{query}")):
            paths = [f"/{kind}/{row['Id']}?force=1" for row in self.ask("GET", listing) if wanted(row)]
            found += len(paths)
            with ThreadPoolExecutor(8) as pool:
                pool.map(self._delete, paths)
        return found

    def _delete(self, path: str) -> None:
        with suppress(OSError, RuntimeError):  # it went by itself, or cannot go yet
            self.raw("DELETE", path)


def somewhere(number: int) -> tuple[str, str]:
    """A small subnet of 198.18.0.0/15 and its first address.

    The engine's own choice could be the network that the operator sits on: answers to him would go astray. These
    addresses are for benchmarks (RFC 2544) and routed nowhere.
    """
    base = int(ipaddress.ip_address("198.18.0.0")) + (number % (1 << 13)) * 16
    return f"{ipaddress.ip_address(base)}/28", str(ipaddress.ip_address(base + 1))


@contextmanager
def staged() -> Iterator[Stage]:
    """A stage that is cleared at the end, also when this program is killed.

    Another process clears it: one that waits for the end of a pipe, which comes when this process is gone.
    """
    stage = Stage(secrets.token_hex(4))
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.close(writing)
        for descriptor in (0, 1, 2):  # or whoever reads our output would wait for this process
            os.dup2(os.open(os.devnull, os.O_RDWR), descriptor)
        killed = not os.read(reading, 1)
        try:
            stage.clear()
            if killed:  # the engine may still be making what it was asked for last
                time.sleep(IN_FLIGHT_SECONDS)
                stage.clear()
        finally:
            os._exit(0)
    os.close(reading)
    try:
        stage.clear_stale()
        yield stage
    finally:
        os.write(writing, b".")
        os.close(writing)
        os.waitpid(child, 0)
