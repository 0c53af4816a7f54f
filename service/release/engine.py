"""The Docker engine's API over its UNIX socket: only what a release needs, and no docker client on the host."""

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast
from urllib.parse import quote, urlencode

from service.release.errors import ReleaseError

_LONG = 3700
"""Seconds; the longest drain that the settings allow is an hour."""


class EngineError(ReleaseError):
    """The engine refused; `status` is its HTTP status, 0 when it did not answer."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class UnixConnection(http.client.HTTPConnection):
    """HTTP over a UNIX socket."""

    def __init__(self, path: Path, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = str(path)

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Engine:
    """Images and containers. Every method raises EngineError with the engine's own sentence."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def images(self) -> list[dict[str, Any]]:
        """`docker image inspect` of every image."""
        listed = self._ask("GET", "/images/json")
        found = [self.image(image["Id"]) for image in listed]
        return [image for image in found if image]

    def image(self, reference: str) -> dict[str, Any] | None:
        """`docker image inspect`; None when there is no such image."""
        return self._find(f"/images/{quote(reference, safe='')}/json")

    def load(self, archive: Iterator[bytes]) -> None:
        """`docker load`."""
        # The engine says 200 before it has looked at a single layer; its verdict is in the stream.
        for line in self._send("POST", "/images/load?quiet=1", archive, _LONG).splitlines():
            said = json.loads(line)
            if "error" in said:
                raise EngineError(f"the engine did not load the image: {said['error']}", 400)

    def tag(self, image: str, repository: str, tag: str) -> None:
        self._ask("POST", f"/images/{quote(image, safe='')}/tag?{urlencode({'repo': repository, 'tag': tag})}")

    def untag(self, reference: str) -> None:
        """Drop a name; the image goes with its last name, unless a container has it."""
        self._ask("DELETE", f"/images/{quote(reference, safe='')}")

    def containers(self, component: str) -> list[dict[str, Any]]:
        """`docker container inspect` of this component's containers, running or not."""
        filters = json.dumps({"label": [f"casemate.component={component}"]})
        listed = self._ask("GET", f"/containers/json?{urlencode({'all': '1', 'filters': filters})}")
        found = [self.container(container["Id"]) for container in listed]
        return [container for container in found if container]

    def container(self, name: str) -> dict[str, Any] | None:
        """`docker container inspect`; None when there is no such container."""
        return self._find(f"/containers/{name}/json")

    def create(self, name: str, arguments: dict[str, Any]) -> None:
        self._ask("POST", f"/containers/create?{urlencode({'name': name})}", arguments)

    def start(self, name: str) -> None:
        self._ask("POST", f"/containers/{name}/start")

    def stop(self, name: str) -> None:
        """SIGTERM, and SIGKILL after the container's own StopTimeout; returns when it has ended."""
        self._ask("POST", f"/containers/{name}/stop", timeout=_LONG)

    def rename(self, name: str, to: str) -> None:
        self._ask("POST", f"/containers/{name}/rename?{urlencode({'name': to})}")

    def remove(self, name: str) -> None:
        """Remove a container, running or not, and its anonymous volumes."""
        self._ask("DELETE", f"/containers/{name}?force=1&v=1")

    def last_words(self, name: str) -> str:
        """The last line that a container wrote; empty when it wrote none."""
        raw = self._send("GET", f"/containers/{name}/logs?stdout=1&stderr=1&tail=1", None, 30)
        return raw[8:].decode("utf-8", "replace").strip()  # eight bytes frame each line: stream and length

    def _find(self, path: str) -> dict[str, Any] | None:
        try:
            return cast(dict[str, Any], self._ask("GET", path))
        except EngineError as error:
            if error.status == 404:
                return None
            raise

    def _ask(self, method: str, path: str, body: Any = None, timeout: float = 120) -> Any:
        raw = self._send(method, path, None if body is None else json.dumps(body).encode(), timeout)
        return json.loads(raw) if raw else None

    def _send(self, method: str, path: str, body: bytes | Iterator[bytes] | None, timeout: float) -> bytes:
        connection = UnixConnection(self._path, timeout)
        kind = "application/json" if isinstance(body, bytes) else "application/x-tar"
        try:
            with suppress(BrokenPipeError):  # it refused before it had read everything; its answer says why
                connection.request(method, path, body, {"Content-Type": kind})
            answer = connection.getresponse()
            raw = answer.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"the Docker engine did not answer ({method} {path.split('?')[0]}: {error})") from error
        finally:
            connection.close()
        if answer.status >= 400:
            raise EngineError(_sentence(raw), answer.status)
        return raw


def _sentence(raw: bytes) -> str:
    try:
        return f"the Docker engine refused: {json.loads(raw)['message']}"
    except (ValueError, KeyError, TypeError):
        return f"the Docker engine refused: {raw[:200].decode('utf-8', 'replace')}"
