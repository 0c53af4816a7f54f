"""The lab's keys: SSH for the operator and every host, known_hosts that pins them, and an API key for the door."""

import os
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from service.gate.keys import new_key


def key_pair(path: Path) -> str:
    """The OpenSSH public key line of the private key at `path` (0600), which is made when absent."""
    public = path.with_suffix(".pub")
    if not path.exists():
        key = Ed25519PrivateKey.generate()
        private_bytes(path, key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
        line = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        private_bytes(public, line + b" casemate-lab\n")
    return public.read_text().strip()


def api_key(path: Path) -> None:
    """Make the key that opens the door of every host of the lab (0600), when absent."""
    if not path.exists():
        private_bytes(path, new_key("lab").encode() + b"\n")


def private_bytes(path: Path, content: bytes) -> None:
    """Write `content` for the owner only (0600), whole or not at all."""
    partial = path.with_name(path.name + ".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    partial.rename(path)


def known_hosts_line(address: str, port: int, public: str) -> str:
    """`[127.0.0.1]:40022 ssh-ed25519 AAAA...`: the only host key accepted there."""
    return f"[{address}]:{port} {' '.join(public.split()[:2])}\n"
