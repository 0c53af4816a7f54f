"""A host in a temporary directory, releases that it can be given, and an engine that is only a double."""

import hashlib
import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.release import door
from service.release.accept import accept
from service.release.engine import Engine
from service.release.handover import handover
from service.release.layout import Layout
from service.release.manifest import canonical
from tests.service.release.engine_double import EngineDouble

PICTURE = b"a picture of a red circle"
NAMESPACE = "casemate-release-v1"


def hexdigest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def spec(component: str, behaviour: str = "right", **changes: Any) -> dict[str, Any]:
    golden = {"kind": "golden", "picture": "/etc/casemate/vision/golden.png", "sha256": hexdigest(PICTURE)}
    golden |= {"media_type": "image/png", "model": "micro", "question": "What is it?", "answer": "red circle"}
    return {
        "component": component,
        "command": ["python3", "-m", f"service.{component}"],
        "user": "64010:64010",
        "network": "none",
        "environment": {"BEHAVIOUR": behaviour, "CASEMATE_VISION_RELEASE": "{release}"},
        "mounts": [{"source": "/var/lib/casemate/models/{model}", "target": "/models/micro", "read_only": True}],
        "memory": 1 << 30,
        "cpus": 1.5,
        "pids": 64,
        "shm_size": 1 << 20,
        "tmpfs": {"/tmp": "rw,noexec,nosuid,nodev,size=1m"},
        "sysctls": {"net.ipv4.ping_group_range": "1 0"},
        "dns": ["127.0.0.1"],
        "ulimits": {"core": 0, "nofile": 1024},
        "seccomp": None,
        "capabilities_dropped": ["ALL"],
        "read_only": True,
        "restart": "on-failure:5",
        "gpus": [],
        "log": {"driver": "json-file", "options": {"max-size": "1m"}},
        "health": {"command": ["true"], "interval_seconds": 30, "timeout_seconds": 5},
        "handover": {"mode": "auto", "start_seconds": 5, "drain_seconds": 1},
        "exam": golden if component == "vision" else {"kind": "closed", "path": "/verify", "status": 401},
        **changes,
    }


class Host:
    """One host of the tests: its layout, its engine, and what an operator would send."""

    def __init__(self, root: Path, keys: Path) -> None:
        self.layout = Layout(root)
        self.keys = keys
        self.double = EngineDouble(root)
        self.engine = Engine(self.layout.docker)
        self.said: list[str] = []
        for directory in (
            "proc",
            "etc/casemate/release",
            "etc/casemate/vision",
            "run/casemate/vision",
            "run/casemate/gate",
        ):
            (root / directory).mkdir(parents=True, exist_ok=True)
        self.memory(64 << 30)
        (root / "etc/casemate/vision/golden.png").write_bytes(PICTURE)
        shutil.copy(keys / "allowed_signers", self.layout.signers)

    def memory(self, available: int) -> None:
        (self.layout.root / "proc/meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable: {available // 1024} kB\n")

    def build(
        self, behaviour: str = "right", sequence: int = 100, code: bytes = b"code", **changes: Any
    ) -> SimpleNamespace:
        """A release that nobody has sent yet: its id, its documents, and its blobs by digest."""
        layers = [b"root file system", b"wheels", code]
        config = canonical({"rootfs": {"diff_ids": [f"sha256:{hexdigest(layer)}" for layer in layers]}})
        image = canonical({"config": hexdigest(config), "layers": [{"digest": hexdigest(layer)} for layer in layers]})
        files = {"config.json": b"{}", "weights/model.safetensors": b"weights" * 1000}
        body = {
            "schema": 1,
            "image": {
                "config_digest": f"sha256:{hexdigest(config)}",
                "manifest_digest": f"sha256:{hexdigest(image)}",
                "layers": [f"sha256:{hexdigest(layer)}" for layer in layers],
            },
            "model": {
                "name": "micro",
                "files": {
                    name: {"sha256": hexdigest(content), "size": len(content)} for name, content in files.items()
                },
            },
            "configuration": {name: spec(name, behaviour, **changes) for name in ("vision", "gate")},
        }
        release = hexdigest(canonical(body))[:12]
        document = canonical({**body, "release": release, "sequence": sequence, "created": "2026-11-23T07:00:00Z"})
        blobs = {hexdigest(content): content for content in (config, image, *layers, *files.values())}
        return SimpleNamespace(
            id=release, document=document, blobs=blobs, layers=[hexdigest(layer) for layer in layers]
        )

    def sign(self, document: bytes, key: str = "release", namespace: str = NAMESPACE) -> bytes:
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(self.keys / key), "-n", namespace]
        return subprocess.run(command, input=document, capture_output=True, check=True).stdout

    def deliver(self, release: SimpleNamespace, without: tuple[str, ...] = (), signature: bytes | None = None) -> Path:
        """What `receive` leaves: blobs, and the release's directory."""
        self.layout.blobs.mkdir(parents=True, exist_ok=True)
        for digest, content in release.blobs.items():
            if digest not in without:
                (self.layout.blobs / digest).write_bytes(content)
        directory = self.layout.incoming / release.id
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "manifest.json").write_bytes(release.document)
        signed = self.sign(release.document) if signature is None else signature
        (directory / "manifest.json.sig").write_bytes(signed)
        return directory

    def accept(self, release: SimpleNamespace, **arguments: Any) -> None:
        accept(self.layout, self.engine, self.deliver(release), **arguments)

    def handover(self, release: SimpleNamespace, component: str = "vision") -> None:
        handover(self.layout, self.engine, component, release.id, self.said.append)

    def deploy(self, behaviour: str = "right", component: str = "vision", **arguments: Any) -> SimpleNamespace:
        release = self.build(behaviour, **arguments)
        self.accept(release)
        self.handover(release, component)
        return release

    def journal(self, component: str = "vision") -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.layout.releases / f"handover-{component}.json").read_text())
        return found

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.layout.releases / "state.json").read_text())
        return found


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two signing keys: `release` is known to the hosts, `other` is not."""
    directory = tmp_path_factory.mktemp("keys")
    for name in ("release", "other"):
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(directory / name)], check=True
        )
    public = (directory / "release.pub").read_text()
    (directory / "allowed_signers").write_text(f'release@casemate namespaces="{NAMESPACE}" {public}')
    return directory


@pytest.fixture
def host(keys: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    """An empty host. Its directory has a short name: the path of a UNIX socket has at most 107 bytes."""
    monkeypatch.setattr(shutil, "chown", lambda *_: None)  # neither root nor www-data is needed here
    monkeypatch.setattr(door, "mount", lambda _: None)
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # a disk syncs some hundred times in these tests
    with tempfile.TemporaryDirectory(prefix="csm", dir=memory) as root:
        made = Host(Path(root), keys)
        yield made
        made.double.close()
