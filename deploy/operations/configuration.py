"""The two containers of a release, as they are signed: what `service/release/container.py` makes on the host."""

import hashlib
from pathlib import Path
from typing import Any

from deploy.errors import SettingsError
from deploy.host_paths import HOST_CONFIGURATION, HOST_LOGS, HOST_RUN, HOST_STATE
from deploy.paths import ROOT
from deploy.settings.base import in_bytes
from deploy.settings.host import HostSettings

SECCOMP = ROOT / "templates" / "vision" / "seccomp.json"
MEDIA_TYPES = {".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".webp": "image/webp"}
_TO_END = 10
"""Of the seconds that a container has to end: left to tell those whose answers are cut, before it is killed."""

# Reads no module that is not the interpreter's own, and starts in a few milliseconds: it runs every half minute.
_HEALTHY = """
import socket
s = socket.socket(socket.AF_UNIX)
s.settimeout(5)
s.connect("{socket}")
s.sendall(b"GET /healthz HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n")
raise SystemExit(s.recv(16).split()[1:2] != [b"200"])
"""


def configuration(settings: HostSettings) -> dict[str, dict[str, Any]]:
    """Component to container specification, JSON values only; the host fills in `{release}` and `{model}`."""
    return {"vision": _vision(settings), "gate": _gate(settings)}


def place_of(component: str, file: Path) -> str:
    """Where a file that the configuration names lies on a host: by content, for a release that is gone back to."""
    return str(HOST_CONFIGURATION / component / f"{file.stem}-{_sha256(file)[:12]}{file.suffix.lower()}")


def _vision(settings: HostSettings) -> dict[str, Any]:
    vision, name = settings.vision, settings.release.model_name
    environment = {
        "MODEL": f"/models/{name}",
        "MODEL_NAME": name,
        "DEVICE": vision.device,
        "PRECISION": vision.precision,
        "SOCKET": "/run/vision/vision.sock",
        "AUDIT_LOG": "/var/log/vision/audit.jsonl",
        "AUDIT_FULL": vision.audit_full,
        "AUDIT_TEXT": str(vision.audit_text),
        "BATCH": str(vision.batch),
        "MAX_CONTEXT": str(vision.max_context),
        "MAX_NEW_TOKENS": str(vision.max_new_tokens),
        "MAX_PIXELS": str(vision.max_pixels),
        "MAX_BODY_BYTES": str(vision.max_body_bytes),
        "MAX_PICTURES": str(vision.max_pictures),
        "MAX_PICTURE_BYTES": str(vision.max_picture_bytes),
        "MAX_PICTURE_PIXELS": str(vision.max_picture_pixels),
        "MAX_STRETCH": str(vision.max_stretch),
        "DRAIN_SECONDS": str(max(1, vision.drain_seconds - _TO_END)),
        "QUEUE": str(vision.queue),
        "QUEUE_TOKENS": str(vision.queue_tokens),
        "RELEASE": "{release}",
    }
    return _walls(settings, "vision", vision.uid) | {
        "environment": {f"CASEMATE_VISION_{key}": value for key, value in environment.items()},
        "mounts": [
            _mount(f"{HOST_STATE}/models/{{model}}", f"/models/{name}", read_only=True),
            _mount(f"{HOST_RUN}/vision/{{release}}", "/run/vision"),
            _mount(f"{HOST_LOGS}/vision", "/var/log/vision"),
        ],
        "memory": in_bytes(vision.memory),
        "cpus": vision.cpus,
        "pids": vision.pids,
        "shm_size": in_bytes(vision.shm_size),
        "tmpfs": {"/tmp": _tmpfs(in_bytes(vision.tmpfs_size))},  # noqa: S108  the container's own
        "ulimits": {"core": 0, "nofile": 16384},
        "gpus": vision.gpus if vision.device == "cuda" else [],
        "exam": _golden(settings),
        "handover": {
            "mode": vision.handover,
            "start_seconds": vision.start_seconds,
            "drain_seconds": vision.drain_seconds,
        },
    }


def _golden(settings: HostSettings) -> dict[str, Any]:
    golden = settings.vision.golden
    kind = MEDIA_TYPES.get(golden.picture.suffix.lower())
    if kind is None or not golden.picture.is_file():
        raise SettingsError(
            f"vision.golden.picture: {golden.picture} is not there, or no JPEG, PNG or WEBP by its name",
            next="give a picture whose content you know",
        )
    return {
        "kind": "golden",
        "picture": place_of("vision", golden.picture),
        "sha256": _sha256(golden.picture),
        "media_type": kind,
        "model": settings.release.model_name,
        "question": golden.question,
        "answer": golden.answer,
    }


def _gate(settings: HostSettings) -> dict[str, Any]:
    gate = settings.gate
    return _walls(settings, "gate", gate.uid) | {
        "environment": {
            "CASEMATE_GATE_KEYS": "/etc/gate/keys.json",
            "CASEMATE_GATE_SOCKET": "/run/gate/gate.sock",
            "CASEMATE_GATE_LOG": "/var/log/gate/gate.jsonl",
        },
        "mounts": [
            # The directory: a mount of the file alone would stay with the old file when a new one takes its place.
            _mount(str(HOST_CONFIGURATION / "gate"), "/etc/gate", read_only=True),
            _mount(f"{HOST_RUN}/gate/{{release}}", "/run/gate"),
            _mount(f"{HOST_LOGS}/gate", "/var/log/gate"),
        ],
        "memory": in_bytes(gate.memory),
        "cpus": 1.0,
        "pids": gate.pids,
        "shm_size": 1 << 20,
        "tmpfs": {"/tmp": _tmpfs(1 << 20)},  # noqa: S108  the container's own
        "ulimits": {"core": 0, "nofile": 4096},
        "gpus": [],
        "exam": {"kind": "closed", "path": "/verify", "status": 401},
        "handover": {"mode": "auto", "start_seconds": 30, "drain_seconds": 5},
    }


def _walls(settings: HostSettings, component: str, uid: int) -> dict[str, Any]:
    """What no container goes without."""
    socket = f"/run/{component}/{component}.sock"
    return {
        "component": component,
        "command": ["python3", "-m", f"service.{component}"],
        "user": f"{uid}:{uid}",
        # Both talk over a UNIX socket alone; and on an internal network engine 20.10 still gives a default route.
        "network": "none",
        "dns": ["192.0.2.1"],  # a documentation address: nobody answers there
        "sysctls": {"net.ipv4.ping_group_range": "1 0"},
        "read_only": True,
        "capabilities_dropped": ["ALL"],
        "seccomp": {"path": place_of(component, SECCOMP), "sha256": _sha256(SECCOMP)},
        "restart": "on-failure:5",
        "log": {
            "driver": "json-file",
            "options": {"max-size": settings.docker.log_max_size, "max-file": str(settings.docker.log_max_files)},
        },
        "health": {
            "command": ["python3", "-I", "-S", "-c", _HEALTHY.format(socket=socket).strip()],
            "interval_seconds": 30,
            "timeout_seconds": 10,
        },
    }


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _mount(source: str, target: str, *, read_only: bool = False) -> dict[str, Any]:
    return {"source": source, "target": target, "read_only": read_only}


def _tmpfs(size: int) -> str:
    return f"rw,noexec,nosuid,nodev,size={size},mode=1777"
