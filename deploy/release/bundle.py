"""A signed statement as a Sigstore bundle, by an elliptic-curve key: the envelope of OpenSSF Model Signing.

What is outside the signature is read as model-signing 1.1.1 writes it and no other way; DSSE 1.0.0 says what is signed
(github.com/secure-systems-lab/dsse, protocol.md), Sigstore's protobuf-specs how the bundle v0.3 is spelled.
"""

import base64
import hashlib
from typing import Any, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.release.documents import canonical, strict

LIMIT = 4 << 20
"""Bytes of a bundle: some 15,000 files."""

_MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"
_PAYLOAD_TYPE = "application/vnd.in-toto+json"
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "secp256r1": hashes.SHA256(),
    "secp384r1": hashes.SHA384(),
    "secp521r1": hashes.SHA512(),
}


class BadSignature(ValueError):
    """Why a model's signature is not believed, as the rest of a sentence that names it."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class _PublicKey(_Part):
    """Which key it is; releases of model-signing before 1.1 give the key itself, which nobody needs to believe."""

    hint: str | None = None
    rawBytes: str | None = None
    keyDetails: str | None = None


class _Material(_Part):
    publicKey: _PublicKey
    tlogEntries: list[Any] = Field([], max_length=0)


class _Signature(_Part):
    sig: str
    keyid: str = ""


class _Envelope(_Part):
    payload: str
    payloadType: Literal["application/vnd.in-toto+json"]
    signatures: list[_Signature] = Field(min_length=1, max_length=1)


class _Bundle(_Part):
    mediaType: Literal["application/vnd.dev.sigstore.bundle.v0.3+json"]
    verificationMaterial: _Material
    dsseEnvelope: _Envelope


def read_public_key(pem: bytes) -> ec.EllipticCurvePublicKey:
    """A key that OpenSSF Model Signing knows; raises BadSignature for any other."""
    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise BadSignature("the key is not a public key in PEM") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _HASHES:
        raise BadSignature("the key is not of the curves P-256, P-384 and P-521")
    return key


def public_pem(key: ec.EllipticCurvePublicKey) -> bytes:
    """The key as `openssl` and `model_signing` read it."""
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def sealed(payload: bytes, key: ec.EllipticCurvePrivateKey) -> bytes:
    """The bundle around an in-toto statement."""
    public = key.public_key()
    signature = key.sign(_authenticated(payload), ec.ECDSA(_HASHES[public.curve.name]))
    envelope = {
        "payload": base64.b64encode(payload).decode(),
        "payloadType": _PAYLOAD_TYPE,
        "signatures": [{"sig": base64.b64encode(signature).decode(), "keyid": ""}],
    }
    material = {"publicKey": {"hint": _hint(public)}, "tlogEntries": []}
    return canonical({"mediaType": _MEDIA_TYPE, "verificationMaterial": material, "dsseEnvelope": envelope})


def opened(content: bytes, key: ec.EllipticCurvePublicKey) -> bytes:
    """The statement in a bundle that this key signed; raises BadSignature for anything else."""
    bundle = _read(content)
    hint = bundle.verificationMaterial.publicKey.hint
    if hint and hint != _hint(key):
        raise BadSignature(f"it is by another key: got SHA-256 {hint[:64]!r}, expected {_hint(key)!r}")
    try:
        payload = base64.b64decode(bundle.dsseEnvelope.payload, validate=True)
        signature = base64.b64decode(bundle.dsseEnvelope.signatures[0].sig, validate=True)
    except ValueError:
        raise BadSignature("its payload or signature is not base64") from None
    try:
        key.verify(signature, _authenticated(payload), ec.ECDSA(_HASHES[key.curve.name]))
    except InvalidSignature:
        raise BadSignature("it is not by this key, or was changed after it was signed") from None
    return payload


def _read(content: bytes) -> _Bundle:
    if len(content) > LIMIT:
        raise BadSignature(f"it is larger than {LIMIT} bytes")
    try:
        document = strict(content)
    except ValueError as error:
        raise BadSignature(f"it is not JSON: {error}") from None
    material = document.get("verificationMaterial") if isinstance(document, dict) else None
    if isinstance(material, dict) and material.keys() & {"certificate", "x509CertificateChain"}:
        raise BadSignature("it was made with a certificate, and only signatures by a key can be verified here")
    try:
        return _Bundle.model_validate(document)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadSignature(f"it is no Sigstore bundle by a key: {place[:80]!r}: {first['msg']}") from None


def _authenticated(payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding."""
    return b"DSSEv1 %d %s %d %s" % (len(_PAYLOAD_TYPE), _PAYLOAD_TYPE.encode(), len(payload), payload)


def _hint(key: ec.EllipticCurvePublicKey) -> str:
    return hashlib.sha256(public_pem(key)).hexdigest()
