"""What the sentinel says of itself, what the kernel says of its process, and whose signature its baseline has."""

import json
import os
import socket
import subprocess

from deploy.facts.posture.read import COMMAND_SECONDS, Json, pairs, text, text_or_none

_PROGRAM = "/opt/casemate/bin/casemate-sentinel"
_CONTROL = "/run/casemate/sentinel/control.sock"
_UNIT = "casemate-sentinel.service"
_BASELINE = "/var/lib/casemate/sentinel/baseline"
_SIGNERS = "/etc/casemate/release/allowed_signers"
_NAMESPACE = "casemate-baseline-v1"
_PATIENCE_SECONDS = 5.0
_LARGEST = 1 << 20


def sentinel(units: Json | None) -> Json:
    """{installed, status, error, process, baseline}: `status` is null when it does not answer, and `error` says why."""
    found: Json = {"installed": os.path.exists(_PROGRAM), **dict.fromkeys(("status", "error", "process", "baseline"))}
    if not found["installed"]:
        return {**found, "error": f"{_PROGRAM} is not there"}
    try:
        found["status"] = status(_CONTROL)
    except (OSError, ValueError) as error:
        found["error"] = f"{_CONTROL}: {error}"
    pid = ((units or {}).get(_UNIT) or {}).get("main_pid")
    return {**found, "process": process(pid) if pid else None, "baseline": baseline(_BASELINE, _SIGNERS)}


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


def baseline(stem: str, signers: str) -> Json | None:
    """{sequence, signed}; None without one. `signed`: who may sign releases has signed this document; asked anew."""
    document = text_or_none(f"{stem}.json")
    if document is None:
        return None
    known = (text_or_none(signers) or "").split()
    asked = ["ssh-keygen", "-Y", "verify", "-f", signers, "-n", _NAMESPACE, "-s", f"{stem}.sig", "-I", *known[:1]]
    done = subprocess.run(asked, input=document.encode(), capture_output=True, timeout=COMMAND_SECONDS, check=False)
    return {"sequence": json.loads(document)["sequence"], "signed": done.returncode == 0}
