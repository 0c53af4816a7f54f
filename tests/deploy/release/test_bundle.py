"""The bundle: this statement by this key, spelled in one way, or none."""

import base64
import contextlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as some

from deploy.release.bundle import LIMIT, BadSignature, opened, public_pem, read_public_key, sealed

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = KEY.public_key()
BUNDLE = sealed(b'{"a": 1}', KEY)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()], ids=lambda curve: curve.name)
@given(payload=some.binary(max_size=64))
def test_what_is_sealed_is_opened(curve: ec.EllipticCurve, payload: bytes) -> None:
    key = ec.generate_private_key(curve)
    assert opened(sealed(payload, key), read_public_key(public_pem(key.public_key()))) == payload


def test_another_key_is_named() -> None:
    with pytest.raises(BadSignature, match="by another key: got SHA-256"):
        opened(BUNDLE, ec.generate_private_key(ec.SECP256R1()).public_key())


def changed(change: Callable[[dict[str, Any]], Any]) -> bytes:
    document = json.loads(BUNDLE)
    change(document)
    return json.dumps(document).encode()


def material(**parts: Any) -> bytes:
    return changed(lambda document: document["verificationMaterial"].update(parts))


def envelope(**parts: Any) -> bytes:
    return changed(lambda document: document["dsseEnvelope"].update(parts))


def signatures(bundle: bytes = BUNDLE) -> list[dict[str, str]]:
    return list(json.loads(bundle)["dsseEnvelope"]["signatures"])


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize(
    ("bundle", "reason"),
    [
        (envelope(payload=encoded(b'{"a": 2}')), "not by this key, or was changed"),
        (envelope(payload=""), "not by this key, or was changed"),
        (envelope(payload=encoded(b'{"a": 1}') + "\n"), "not base64"),
        (envelope(payload="Zürich"), "not base64"),
        (envelope(payload=7), "'dsseEnvelope.payload'"),
        (envelope(payloadType="text/plain"), "'dsseEnvelope.payloadType'"),
        (envelope(signatures=[]), "'dsseEnvelope.signatures'"),
        (envelope(signatures=signatures() * 2), "'dsseEnvelope.signatures'"),
        (envelope(signatures=[{"sig": ""}]), "not by this key, or was changed"),
        (envelope(signatures=signatures(sealed(b"other", KEY))), "not by this key, or was changed"),
        (envelope(more=1), "'dsseEnvelope.more'"),
        (material(publicKey={"hint": "0" * 64}), "by another key"),
        (material(publicKey="0" * 64), "'verificationMaterial.publicKey'"),
        (material(tlogEntries=[{}]), "'verificationMaterial.tlogEntries'"),
        (material(certificate={"rawBytes": ""}), "made with a certificate"),
        (material(x509CertificateChain={"certificates": []}), "made with a certificate"),
        (changed(lambda document: document.update(mediaType="application/json")), "'mediaType'"),
        (changed(lambda document: document.pop("dsseEnvelope")), "'dsseEnvelope'"),
        (BUNDLE.replace(b'{"dsse', b'{"mediaType":"x","dsse'), "a key appears twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"mediaType": NaN}', "NaN is no JSON"),
        (b"\xff", "not JSON"),
        (b"", "not JSON"),
        (b"null", "no Sigstore bundle"),
        (BUNDLE + b" " * LIMIT, "larger than"),
    ],
)
def test_whatever_is_changed_is_refused_with_its_reason(bundle: bytes, reason: str) -> None:
    with pytest.raises(BadSignature, match=reason):
        opened(bundle, PUBLIC)


@pytest.mark.parametrize(
    "key", [{}, {"rawBytes": encoded(public_pem(PUBLIC)), "keyDetails": "PKIX_ECDSA_P256_SHA_256"}]
)
def test_an_earlier_release_of_the_standard_tool_gives_no_hint(key: dict[str, str]) -> None:
    assert opened(material(publicKey=key), PUBLIC) == b'{"a": 1}'


@given(some.integers(0, len(BUNDLE) - 1), some.integers(1, 255))
def test_a_flipped_byte_changes_nothing_or_is_refused(place: int, flip: int) -> None:
    flipped = bytearray(BUNDLE)
    flipped[place] ^= flip
    with contextlib.suppress(BadSignature):
        assert opened(bytes(flipped), PUBLIC) == b'{"a": 1}'


@given(some.binary(max_size=64))
def test_whatever_comes_is_refused(content: bytes) -> None:
    with pytest.raises(BadSignature):
        opened(content, PUBLIC)


@pytest.mark.parametrize(
    "key",
    [
        b"",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        PUBLIC.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH),
    ],
)
def test_what_is_no_public_key_is_refused(key: bytes) -> None:
    with pytest.raises(BadSignature, match="not a public key in PEM"):
        read_public_key(key)


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP256K1()), ed25519.Ed25519PrivateKey.generate()])
def test_a_key_that_the_standard_does_not_know_is_refused(key: Any) -> None:
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(BadSignature, match="P-256, P-384 and P-521"):
        read_public_key(pem)
