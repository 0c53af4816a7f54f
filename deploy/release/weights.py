"""The operator's signature of a release's weights, for auditors: OpenSSF Model Signing, which other tools verify too.

That format knows elliptic-curve keys only and OpenSSH made ours of another kind, so a second key lies beside it.
"""

import stat
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from deploy.errors import CasemateError
from deploy.private import write_private
from deploy.release import digests
from deploy.release.bundle import BadSignature, opened, public_pem, read_public_key, sealed
from deploy.release.statement import stated_digests, statement
from deploy.settings.release import ReleaseSettings


def sign_weights(path: Path, name: str, files: Mapping[str, str], settings: ReleaseSettings) -> None:
    """Write the model's signature to `path`, unless one that holds is there; the key is made when absent.

    `files` are hex SHA-256 by relative path: nothing is hashed again. Raises CasemateError.
    """
    try:
        verify_weights(path, files, settings)
    except CasemateError:  # not there, of other files, or by a key of before
        digests.write(path, sealed(statement(name, files), _private_key(settings)))
        verify_weights(path, files, settings)


def verify_weights(path: Path, files: Mapping[str, str], settings: ReleaseSettings) -> None:
    """Raise CasemateError unless `path` is a signature by the operator's key over exactly these files."""
    try:
        with path.open("rb") as file:
            payload = opened(file.read(), read_public_key(public_key(settings).read_bytes()))
        if stated_digests(payload) != files:
            raise BadSignature("it is over other files than the release")
    except FileNotFoundError as error:
        raise CasemateError(f"{error.filename} is missing", next="casemate release build INVENTORY") from None
    except BadSignature as error:
        raise CasemateError(
            f"{path} does not hold for {public_key(settings)}: {error}",
            next=f"rm {path}, then: casemate release build INVENTORY; or restore both keys from their backup",
        ) from None


def public_key(settings: ReleaseSettings) -> Path:
    """What an auditor needs beside the signature: PEM."""
    return settings.signing_key.with_name(f"{settings.signing_key.name}-weights.pub.pem")


def _private_key(settings: ReleaseSettings) -> ec.EllipticCurvePrivateKey:
    path = settings.signing_key.with_name(f"{settings.signing_key.name}-weights.pem")
    if not path.exists():
        made = ec.generate_private_key(ec.SECP256R1())
        write_private(path, made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise CasemateError(
            f"{path} has mode {mode:04o}, expected 0600: others may have read it",
            next=f"chmod 600 {path}; or, if they have: rm it and {public_key(settings)}, and build again",
        )
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise CasemateError(f"{path} is no elliptic-curve key in PEM", next="restore it from its backup")
    if not public_key(settings).exists():
        digests.write(public_key(settings), public_pem(key.public_key()))
    return key
