"""A Docker engine for tests: real HTTP on a UNIX socket, images and containers in memory, services on real sockets."""

import hashlib
import io
import json
import socketserver
import tarfile
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

Json = dict[str, Any]


class UnixServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """HTTP on a path."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64


class Handler(BaseHTTPRequestHandler):
    """Hands every request to the server's `answer(method, path, query, body)`."""

    protocol_version = "HTTP/1.1"
    server: Any

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _serve(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        status, said = self.server.answer(self.command, unquote(url.path), query, self._body())
        raw = b"" if status in (204, 304) else said if isinstance(said, bytes) else json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        with suppress(BrokenPipeError):  # who asked was killed
            self.wfile.write(raw)

    do_GET = do_POST = do_DELETE = _serve

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: Any) -> None:
        pass


def serve(path: Path, answer: Any) -> UnixServer:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    server = UnixServer(str(path), Handler)
    server.answer = answer  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


class Service:
    """What runs in a container of the double; its specification's environment says how it behaves."""

    def __init__(self, path: Path, behaviour: str) -> None:
        self.behaviour = behaviour
        self.server = serve(path, self.answer)

    def answer(self, method: str, path: str, query: Json, body: bytes) -> tuple[int, Any]:
        if path in ("/readyz", "/healthz"):
            return (503 if self.behaviour == "never ready" else 200), {}
        if path == "/verify":
            return (204 if self.behaviour == "wrong" else 401), {}
        said = "A blue square." if self.behaviour == "wrong" else "I see a RED CIRCLE."
        return 200, {"choices": [{"message": {"content": said}}]}

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class EngineDouble:
    """Images and containers. `failing` holds "METHOD /path part" of requests to refuse once with 500."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images: dict[str, Json] = {}
        self.started = 0
        self.containers: dict[str, Json] = {}
        self.services: dict[str, Service] = {}
        self.failing: list[str] = []
        self.loaded_bytes: list[int] = []
        self.lock = threading.RLock()
        self.server = serve(root / "var/run/docker.sock", self.answer)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        for service in self.services.values():
            service.stop()

    def answer(self, method: str, path: str, query: Json, body: bytes) -> tuple[int, Any]:
        with self.lock:
            for wanted in list(self.failing):
                verb, _, part = wanted.partition(" ")
                if verb == method and part in path:
                    self.failing.remove(wanted)
                    return 500, {"message": f"told to refuse {wanted}"}
            kind, _, rest = path.strip("/").partition("/")
            return getattr(self, f"_{kind}")(method, rest, query, body)

    # -- images

    def _images(self, method: str, rest: str, query: Json, body: bytes) -> tuple[int, Any]:
        if rest == "json":
            return 200, [{"Id": image} for image in self.images]
        if rest == "load":
            return self._load(body)
        reference, _, verb = rest.rpartition("/") if method != "DELETE" else (rest, "", "")
        found = next((i for i in self.images.values() if reference in (i["Id"], *i["RepoTags"])), None)
        if found is None:
            return 404, {"message": f"no such image: {reference}"}
        if verb == "tag":
            found["RepoTags"] = sorted({*found["RepoTags"], f"{query['repo']}:{query['tag']}"})
            return 201, {}
        if method == "DELETE":
            if any(container["Image"] == found["Id"] for container in self.containers.values()):
                return 409, {"message": "a container is using it"}
            del self.images[found["Id"]]
            return 200, []
        return 200, found

    def _load(self, body: bytes) -> tuple[int, Any]:
        self.loaded_bytes.append(len(body))
        archive = tarfile.open(fileobj=io.BytesIO(body))  # noqa: SIM115
        members = {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]
        [described] = json.loads(members["manifest.json"])
        chain: list[str] = []
        for path in described["Layers"]:
            chain.append(f"sha256:{path.rpartition('/')[2]}")
            known = any(image["RootFS"]["Layers"][: len(chain)] == chain for image in self.images.values())
            content = members.get(path)
            if content is None and not known:
                return 200, {"error": f"open {path}: no such file"}
            if content is not None and f"sha256:{hashlib.sha256(content).hexdigest()}" != chain[-1]:
                return 200, {"error": "invalid diffID"}
        config = members[described["Config"]]
        identity = f"sha256:{hashlib.sha256(config).hexdigest()}"
        self.images[identity] = {"Id": identity, "RepoTags": described["RepoTags"], "RootFS": {"Layers": chain}}
        return 200, {"stream": f"Loaded image: {identity}"}

    # -- containers

    def _containers(self, method: str, rest: str, query: Json, body: bytes) -> tuple[int, Any]:
        if rest == "json":
            component = json.loads(query["filters"])["label"][0].partition("=")[2]
            labels = [(name, c["Config"]["Labels"]) for name, c in self.containers.items()]
            return 200, [{"Id": name} for name, own in labels if own["casemate.component"] == component]
        if rest == "create":
            return self._create(query["name"], json.loads(body))
        name, _, verb = rest.partition("/")
        if name not in self.containers:
            return 404, {"message": f"No such container: {name}"}
        if method == "DELETE":
            self._end(name)
            del self.containers[name]
            return 204, None
        if verb == "json":
            return 200, self.containers[name]
        return getattr(self, f"_{verb}")(name, query)

    def _create(self, name: str, arguments: Json) -> tuple[int, Any]:
        if name in self.containers:
            return 409, {"message": f"Conflict. The container name {name} is already in use"}
        if arguments["Image"] not in self.images:
            return 404, {"message": f"No such image: {arguments['Image']}"}
        labels = arguments["Labels"]
        if not self._directory(labels).exists():
            return 400, {"message": f"invalid mount config: bind source path does not exist: {self._directory(labels)}"}
        config = {key: value for key, value in arguments.items() if key != "HostConfig"}
        self.containers[name] = {
            "Id": name,
            "Name": f"/{name}",
            "Image": arguments["Image"],
            "Config": config,
            "HostConfig": arguments["HostConfig"],
            "NetworkSettings": {"Networks": {arguments["HostConfig"]["NetworkMode"]: {}}},
            "RestartCount": 0,
            "State": {
                "Running": False,
                "Restarting": False,
                "Status": "created",
                "ExitCode": 0,
                "StartedAt": "",
                "Pid": 0,
            },
        }
        return 201, {"Id": name}

    def _start(self, name: str, query: Json) -> tuple[int, Any]:
        container = self.containers[name]
        labels = container["Config"]["Labels"]
        behaviour = dict(pair.split("=", 1) for pair in container["Config"]["Env"])["BEHAVIOUR"]
        directory = self._directory(labels)
        if not directory.exists():
            return 400, {"message": f"invalid mount config: bind source path does not exist: {directory}"}
        if container["State"]["Running"]:
            return 304, None
        if behaviour == "crash":
            container["State"].update(Running=False, Status="exited", ExitCode=3)
            return 204, None
        self.services[name] = Service(directory / f"{labels['casemate.component']}.sock", behaviour)
        self.started += 1
        container["State"].update(Running=True, Status="running", Pid=self.started)
        return 204, None

    def _directory(self, labels: Json) -> Path:
        return self.root / "run/casemate" / labels["casemate.component"] / labels["casemate.release"]

    def _stop(self, name: str, query: Json) -> tuple[int, Any]:
        running = self.containers[name]["State"]["Running"]
        self._end(name)
        return (204 if running else 304), None

    def _rename(self, name: str, query: Json) -> tuple[int, Any]:
        if query["name"] in self.containers:
            return 409, {"message": "name in use"}
        container = self.containers[query["name"]] = self.containers.pop(name)
        container.update(Id=query["name"], Name=f"/{query['name']}")
        if name in self.services:
            self.services[query["name"]] = self.services.pop(name)
        return 204, None

    def _logs(self, name: str, query: Json) -> tuple[int, Any]:
        return 200, b"\x02\0\0\0\0\0\0\x05" + b"model file is broken\n"

    def _end(self, name: str) -> None:
        service = self.services.pop(name, None)
        if service:
            service.stop()
        self.containers[name]["State"].update(Running=False, Status="exited")
