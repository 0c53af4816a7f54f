"""The Docker engine's API over its UNIX socket: what the sentinel looks at, and what a quarantine does."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

SOCKET = Path("/var/run/docker.sock")
LABEL = "casemate.component"
"""A container that has it is ours; its value is the component."""
_LISTENED_FOR, _RUNNING = "/run/docker.sock", "/run/docker.pid"
_WAIT = 20.0
_LONGEST = 16 << 20
"""Bytes of an answer; longer ones are refused, so that a strange engine cannot fill the memory."""
_TELLING = ("create", "start", "die", "destroy", "rename", "pause", "unpause", "update")


class DockerError(Exception):
    """The engine refused, or did not answer: `status` is its HTTP status, 0 when there was none."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


def _asleep(path: str) -> bool:
    """Whether systemd listens for an engine that does not run: who asks would start what somebody has stopped."""
    return os.path.realpath(path) == _LISTENED_FOR and not os.path.exists(_RUNNING)


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: Path, timeout: float | None) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        if _asleep(self._path):
            raise ConnectionRefusedError("it does not run")
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Docker:
    """One request is one connection; any thread may ask. Every method raises DockerError."""

    def __init__(self, path: Path = SOCKET, timeout: float = _WAIT) -> None:
        self._path, self._timeout = path, timeout

    def containers(self) -> list[dict[str, Any]]:
        """`docker container inspect` of every container of ours, running or not."""
        asked = urlencode({"all": "1", "filters": json.dumps({"label": [LABEL]})})
        listed = self._ask("GET", f"/containers/json?{asked}")
        return [found for one in listed if (found := self.container(one["Id"]))]

    def container(self, name: str) -> dict[str, Any] | None:
        """`docker container inspect` by name or id; None when there is no such container."""
        try:
            return cast("dict[str, Any]", self._ask("GET", f"/containers/{quote(name, safe='')}/json"))
        except DockerError as error:
            if error.status == 404:
                return None
            raise

    def processes(self, name: str) -> dict[str, Any]:
        """`docker top`: {"Titles": [...], "Processes": [[...], ...]}."""
        asked = urlencode({"ps_args": "-eo pid,ppid,uid,stime,args"})
        return cast("dict[str, Any]", self._ask("GET", f"/containers/{quote(name, safe='')}/top?{asked}"))

    def pause(self, name: str) -> None:
        self._ask("POST", f"/containers/{quote(name, safe='')}/pause")

    def unpause(self, name: str) -> None:
        self._ask("POST", f"/containers/{quote(name, safe='')}/unpause")

    def restart_policy(self, name: str, policy: dict[str, Any]) -> None:
        """`docker update --restart`: {"Name": ..., "MaximumRetryCount": ...}."""
        self._ask("POST", f"/containers/{quote(name, safe='')}/update", {"RestartPolicy": policy})

    def disconnect(self, network: str, name: str) -> None:
        self._ask("POST", f"/networks/{quote(network, safe='')}/disconnect", {"Container": name, "Force": True})

    def connect(self, network: str, name: str, endpoint: dict[str, Any]) -> None:
        """`docker network connect`; `endpoint` is the engine's EndpointConfig."""
        asked = {"Container": name, "EndpointConfig": endpoint}
        self._ask("POST", f"/networks/{quote(network, safe='')}/connect", asked)

    def events(self) -> Events:
        """What happens to containers of ours from now on."""
        filters = {"type": ["container"], "label": [LABEL], "event": list(_TELLING)}
        connection = _Connection(self._path, self._timeout)
        try:
            connection.request("GET", f"/events?{urlencode({'filters': json.dumps(filters)})}")
            answer = connection.getresponse()
            if answer.status != 200:
                raise DockerError(_sentence(answer.read(4096)), answer.status)
            connection.sock.settimeout(None)  # it may be quiet for days; `close` ends it
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise DockerError(f"the Docker engine told no events ({error}); next: systemctl status docker") from error
        except DockerError:
            connection.close()
            raise
        return Events(connection, answer)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        connection = _Connection(self._path, self._timeout)
        content = None if body is None else json.dumps(body).encode()
        try:
            connection.request(method, path, content, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            raw = answer.read(_LONGEST + 1)
            if len(raw) > _LONGEST:
                raise http.client.HTTPException(f"more than {_LONGEST} bytes")
            if answer.status >= 400:
                raise DockerError(_sentence(raw), answer.status)
            return json.loads(raw) if raw.strip() else None
        except (OSError, http.client.HTTPException, ValueError) as error:
            asked = f"{method} {path.split('?')[0]}"
            raise DockerError(
                f"the Docker engine did not answer ({asked}: {error}); next: systemctl status docker"
            ) from error
        finally:
            connection.close()


class Events:
    """An open stream of events: iterate in one thread, `close` in any."""

    def __init__(self, connection: _Connection, answer: http.client.HTTPResponse) -> None:
        self._connection, self._answer, self._socket = connection, answer, connection.sock

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Ends when the engine does, and after `close`."""
        try:
            with suppress(OSError, ValueError, http.client.HTTPException):
                while line := self._answer.readline(1 << 20):
                    if line.strip():
                        yield json.loads(line)
        finally:
            self._connection.close()

    def close(self) -> None:
        """End the iteration, which then closes the connection: closed under its reader, it would break it."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)


def _sentence(raw: bytes) -> str:
    try:
        return f"the Docker engine refused: {json.loads(raw)['message']}"
    except (ValueError, KeyError, TypeError):
        return f"the Docker engine refused: {raw[:200].decode('utf-8', 'replace')}"
