"""Signatures by OpenSSH: no tool of ours on either side, and a host needs one line to know whom to believe."""

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from deploy.errors import CasemateError
from deploy.private import locked, write_private
from deploy.release.digests import write
from deploy.settings.release import ReleaseSettings

RELEASE, WINDOW, BASELINE = "casemate-release-v1", "casemate-window-v1", "casemate-baseline-v1"
"""What a signature is for: one for a deploy window is worth nothing for a release."""

_ANEW = {
    RELEASE: "do not ship it; sign anew with: casemate release build INVENTORY",
    WINDOW: "do not send it; the next deploy signs its own",
    BASELINE: "find out who changed it; then: casemate baseline diff INVENTORY",
}


def sign(document: bytes, settings: ReleaseSettings, namespace: str = RELEASE) -> bytes:
    """The detached signature by the operator's key, which is made when absent."""
    _make_key(settings)
    done = _ssh_keygen("-Y", "sign", "-q", "-n", namespace, "-f", str(settings.signing_key), stdin=document)
    if done.returncode:
        raise CasemateError(
            f"release.signing_key: could not sign with {settings.signing_key}: {_reason(done)}",
            next="check the key's owner and mode (0600), or restore it from its backup",
        )
    verify(document, done.stdout, settings, namespace)
    return done.stdout


def verify(document: bytes, signature: bytes, settings: ReleaseSettings, namespace: str = RELEASE) -> None:
    """Raise CasemateError unless the signature is by the operator's key, for this purpose, over these bytes."""
    with TemporaryDirectory() as folder:
        signers, detached = Path(folder, "allowed_signers"), Path(folder, "signature")
        signers.write_text(_line(settings) + "\n", encoding="utf-8")
        detached.write_bytes(signature)
        by = ["-f", str(signers), "-I", settings.signer, "-n", namespace, "-s", str(detached)]
        done = _ssh_keygen("-Y", "verify", *by, stdin=document)
    if done.returncode:
        raise CasemateError(
            f"the signature is not by {settings.signing_key} over this document: {_reason(done)}",
            next=_ANEW[namespace],
        )


def allowed_signers(settings: ReleaseSettings) -> str:
    """The line by which a host knows what this operator signed for it, and nothing else that the key may sign."""
    _make_key(settings)
    return _line(settings)


def _line(settings: ReleaseSettings) -> str:
    public = _public(settings.signing_key)
    try:
        kind, key = public.read_text(encoding="utf-8").split()[:2]
    except (OSError, ValueError):
        raise CasemateError(
            f"release.signing_key: {public} is missing or no public key",
            next=f"ssh-keygen -y -f {settings.signing_key} > {public}, or restore both from their backup",
        ) from None
    return f'{settings.signer} namespaces="{",".join(_ANEW)}" {kind} {key}'


def _public(key: Path) -> Path:
    return key.with_name(f"{key.name}.pub")


def _make_key(settings: ReleaseSettings) -> None:
    """A key that only its owner may read, in a directory that only its owner may enter."""
    key = settings.signing_key
    if key.exists():
        return
    try:
        with locked(key.parent):
            if not key.exists():
                _write_pair(key, settings.signer)
    except OSError as error:
        raise CasemateError(
            f"release.signing_key: could not make {key}: {error.strerror}", next="check the directory's owner"
        ) from None


def _write_pair(key: Path, signer: str) -> None:
    # Nothing here waits for anything: another greenlet of this run would wait for the lock, and all of it with it.
    made = Ed25519PrivateKey.generate()
    # The public half first: who finds the private one needs both.
    public = made.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    write(_public(key), public + f" {signer}\n".encode())
    write_private(key, made.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))


def _ssh_keygen(*arguments: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    try:
        return subprocess.run(["ssh-keygen", *arguments], input=stdin, capture_output=True, check=False)
    except FileNotFoundError:
        raise CasemateError("ssh-keygen is missing: it signs releases", next="apt-get install openssh-client") from None


def _reason(done: "subprocess.CompletedProcess[bytes]") -> str:
    lines = (done.stderr or done.stdout).decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else f"ssh-keygen ended with {done.returncode}"
