"""Throwaway networks and containers, through the engine's API. They go when the program ends, however it ends."""

import ipaddress
import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from deploy.facts.posture.engine import DOCKER_SOCKET, Engine
from deploy.facts.posture.read import Json

LABEL, STARTED = "casemate.probe", "casemate.probe.started"
SECONDS = 30
STALE_SECONDS = 120


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

    def start(self, name: str, container: Json) -> "Running":
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
        running = Running(self, found)
        self.raw("POST", f"/containers/{found}/start")
        return running

    def clear(self, everything: bool = True) -> None:
        """Remove what this experiment made; or else only what earlier ones left behind."""
        label = f"{LABEL}={self.token}" if everything else LABEL
        query = f'filters={{"label":["{label}"]}}'
        for kind, listing in (("containers", f"/containers/json?all=1&{query}"), ("networks", f"/networks?{query}")):
            rows = self.ask("GET", listing)
            old = [row for row in rows if everything or time.time() - int(row["Labels"][STARTED]) > STALE_SECONDS]
            with ThreadPoolExecutor(8) as pool:
                pool.map(self._remove, [f"/{kind}/{row['Id']}?force=1" for row in old])

    def _remove(self, path: str) -> None:
        with suppress(OSError, RuntimeError):  # it went by itself
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
        os.read(reading, 1)
        try:
            stage.clear()
        finally:
            os._exit(0)
    os.close(reading)
    try:
        stage.clear(everything=False)
        yield stage
    finally:
        os.close(writing)
        os.waitpid(child, 0)


class Running:
    """A container whose output is read by a thread of its own."""

    def __init__(self, stage: Stage, container: str) -> None:
        self._stage, self._container = stage, container
        self._output = b""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        self._output = self._stage.raw("POST", f"/containers/{self._container}/attach?stream=1&stdout=1&stderr=1")

    def address(self) -> str | None:
        """Its address on its network; None where it has none."""
        inspected = self._stage.ask("GET", f"/containers/{self._container}/json")
        addresses = [row["IPAddress"] for row in inspected["NetworkSettings"]["Networks"].values()]
        return next((str(address) for address in addresses if address), None)

    def output(self) -> str:
        """What it printed until its end. Raises RuntimeError when it does not end."""
        self._reader.join(SECONDS)
        if self._reader.is_alive():
            raise RuntimeError(f"container {self._container[:12]} did not end")
        return frames(self._output)


def frames(data: bytes) -> str:
    """The text in the engine's stream: frames of one byte for the channel, three of nothing and four of length."""
    text = b""
    while len(data) >= 8:
        size = int.from_bytes(data[4:8], "big")
        text, data = text + data[8 : 8 + size], data[8 + size :]
    return text.decode(errors="replace")
