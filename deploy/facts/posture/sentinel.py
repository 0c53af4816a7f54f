"""What the sentinel says of itself, and what the kernel says of its process."""

import json
import os
import socket

from deploy.facts.posture.read import Json, pairs, text

_PROGRAM = "/opt/casemate/bin/casemate-sentinel"
_CONTROL = "/run/casemate/sentinel/control.sock"
_UNIT = "casemate-sentinel.service"
_PATIENCE_SECONDS = 5.0
_LARGEST = 1 << 20


def sentinel(units: Json | None) -> Json:
    """{installed, status, error, process}: `status` is null, with a reason in `error`, when it does not answer."""
    found: Json = {"installed": os.path.exists(_PROGRAM), "status": None, "error": None, "process": None}
    if not found["installed"]:
        return {**found, "error": f"{_PROGRAM} is not there"}
    try:
        found["status"] = status(_CONTROL)
    except (OSError, ValueError) as error:
        found["error"] = f"{_CONTROL}: {error}"
    pid = ((units or {}).get(_UNIT) or {}).get("main_pid")
    return {**found, "process": process(pid) if pid else None}


def status(path: str) -> Json:
    """What it answers to `status`; raises OSError, or ValueError for what is no answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as wire:
        wire.settimeout(_PATIENCE_SECONDS)
        wire.connect(path)
        wire.sendall(b'{"do": "status"}\n')
        said = b""
        while not said.endswith(b"\n") and len(said) < _LARGEST:
            more = wire.recv(65536)
            if not more:
                break
            said += more
    answer = json.loads(said)
    if not isinstance(answer, dict) or not answer.get("ok"):
        raise ValueError(f"got {said[:200]!r}")
    return answer


def process(pid: int) -> Json:
    """The walls around it, as the kernel tells: {capabilities, no_new_privileges, seccomp}."""
    told = dict(pairs(text(f"/proc/{pid}/status").splitlines(), ":"))
    return {
        "capabilities": told["CapBnd"],
        "no_new_privileges": told["NoNewPrivs"] == "1",
        "seccomp": int(told["Seccomp"]),
    }
