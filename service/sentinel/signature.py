"""Who signed: OpenSSH signatures by the keys that this host trusts."""

from __future__ import annotations

import base64
import hashlib
import socket
import subprocess
import tempfile
from pathlib import Path

from service.sentinel.layout import Layout


class SignatureError(Exception):
    """It is not by whom it should be; the message says why."""


def verify(content: bytes, signature: str, namespace: str, layout: Layout) -> str:
    """Who signed it, as allowed_signers names them. Raises SignatureError."""
    if not layout.signers.exists():
        raise SignatureError(f"{layout.signers} is missing, nobody is trusted; next: casemate deploy INVENTORY")
    with tempfile.NamedTemporaryFile("w", suffix=".sig") as file:
        file.write(signature)
        file.flush()
        found = _ssh_keygen("find-principals", "-f", str(layout.signers), "-s", file.name)
        principal = found.stdout.decode("utf-8", "replace").strip().splitlines()
        if found.returncode or not principal:
            raise SignatureError(f"the signature is by no key in {layout.signers}: {_reason(found)}")
        revoked = ["-r", str(layout.revoked)] if layout.revoked.exists() else []
        asked = ("verify", "-f", str(layout.signers), "-I", principal[0], "-n", namespace, "-s", file.name, *revoked)
        checked = _ssh_keygen(*asked, content=content)
    if checked.returncode:
        raise SignatureError(f"the signature does not hold: {_reason(checked)}")
    return principal[0]


def host_names(layout: Layout) -> set[str]:
    """What this host is called: its name and the fingerprints of its SSH keys, `SHA256:...`."""
    names = {socket.gethostname(), socket.getfqdn()}
    for file in sorted(Path(layout.host_keys).glob("ssh_host_*_key.pub")):
        try:
            blob = base64.b64decode(file.read_text(encoding="utf-8", errors="replace").split()[1])
        except (OSError, IndexError, ValueError):
            continue
        names.add("SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("="))
    return names


def host_name(layout: Layout) -> str:
    """The one of them that is the same after a change of name: the fingerprint of its Ed25519 key, if it has one."""
    return next((one for one in sorted(host_names(layout)) if one.startswith("SHA256:")), socket.gethostname())


def _ssh_keygen(*arguments: str, content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["ssh-keygen", "-Y", *arguments], input=content, capture_output=True, check=False, timeout=30)


def _reason(run: subprocess.CompletedProcess[bytes]) -> str:
    said = (run.stderr + run.stdout).decode("utf-8", "replace").strip().splitlines()
    return said[-1] if said else f"ssh-keygen ended with {run.returncode}"
