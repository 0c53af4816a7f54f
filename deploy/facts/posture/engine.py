"""The container engine, asked over its socket."""

import http.client
import json
import re
import shutil
import socket
from typing import Any

from deploy.facts.posture.read import COMMAND_SECONDS, PATH, Json, reason

DOCKER_SOCKET = "/var/run/docker.sock"

_NAME = r"[A-Za-z0-9_.-]*(?:KEY|TOKEN|SECRET|PASSW|CREDENTIAL)[A-Za-z0-9_.-]*"
_SECRET_VALUE = re.compile(rf"^({_NAME}=).+", re.IGNORECASE | re.DOTALL)
_SECRET_OPTION = re.compile(rf"^--?{_NAME}$", re.IGNORECASE)
_URL_PASSWORD = re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]*@")


class Engine(http.client.HTTPConnection):
    """HTTP over the engine's UNIX socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.host)

    def ask(self, path: str) -> Any:
        """The answer's JSON; raises RuntimeError for any status but 200."""
        self.request("GET", path, headers={"Host": "docker"})
        answer = self.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status} {body[:200].decode(errors='replace').strip()}")
        return json.loads(body)

    def ask_existing(self, path: str) -> Any:
        """The same; None when the thing went away since it was listed."""
        try:
            return self.ask(path)
        except RuntimeError as error:
            if f"GET {path}: 404" in str(error):
                return None
            raise


def redacted(value: Any) -> Any:
    """The same JSON without values that look secret: NAME=value, `--name value`, and passwords in URLs."""
    if isinstance(value, dict):
        return {key: redacted(part) for key, part in value.items()}
    if isinstance(value, list):
        parts = [redacted(part) for part in value]
        for index, option in enumerate(value[:-1]):
            if isinstance(option, str) and _SECRET_OPTION.match(option) and isinstance(value[index + 1], str):
                parts[index + 1] = "<redacted>"
        return parts
    if isinstance(value, str):
        return _URL_PASSWORD.sub("<redacted>@", _SECRET_VALUE.sub(r"\1<redacted>", value))
    return value


def image(found: Json) -> Json:
    """What matters of an image's inspect."""
    configuration = found.get("Config") or {}
    return {
        "tags": found.get("RepoTags") or [],
        "digests": found.get("RepoDigests") or [],
        "labels": configuration.get("Labels") or {},
        "layers": (found.get("RootFS") or {}).get("Layers") or [],
        "created": found.get("Created"),
        "size": found.get("Size"),
        "user": configuration.get("User", ""),
        "environment": redacted(configuration.get("Env") or []),
        "command": redacted(configuration.get("Cmd") or []),
        "entrypoint": redacted(configuration.get("Entrypoint") or []),
        "architecture": found.get("Architecture"),
    }


def ask_docker(engine: Engine) -> Json:
    """Everything about the engine that answers on this connection."""
    networks = [engine.ask_existing(f"/networks/{row['Id']}") for row in engine.ask("/networks")]
    containers = [engine.ask_existing(f"/containers/{row['Id']}/json") for row in engine.ask("/containers/json?all=1")]
    images = [engine.ask_existing(f"/images/{row['Id']}/json") for row in engine.ask("/images/json")]
    return {
        "version": engine.ask("/version"),
        "info": redacted(engine.ask("/info")),
        "networks": {row["Name"]: row for row in networks if row},
        "containers": {row["Name"].lstrip("/"): redacted(row) for row in containers if row},
        "images": {row["Id"]: image(row) for row in images if row},
    }


def docker(units: Json | None) -> Json:
    """The engine, asked over its socket, and judged by status codes: a dead engine is not an empty one."""
    if not shutil.which("dockerd", path=PATH):
        return {"installed": False}
    state = ((units or {}).get("docker.service") or {"active": "active"})["active"]
    if state not in ("active", "reloading"):
        # To connect would start it: docker.socket activates the service, and looking must change nothing.
        return {"installed": True, "reachable": False, "error": f"docker.service is {state}"}
    engine = Engine(DOCKER_SOCKET, timeout=COMMAND_SECONDS)
    try:
        return {"installed": True, "reachable": True, "error": None, **ask_docker(engine)}
    except (OSError, http.client.HTTPException, RuntimeError, ValueError, LookupError, TypeError) as error:
        return {"installed": True, "reachable": False, "error": reason(error)}
    finally:
        engine.close()
