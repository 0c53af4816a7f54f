"""The operator's private CA: a directory with ca.key (0600) and ca.pem, made when absent."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.certificates.pair import Pair, PairError
from deploy.errors import CasemateError

YEARS = 10
DAYS = 397
"""Of a server certificate: the most that browsers accept."""

_SLACK = timedelta(minutes=5)
"""A host's clock may be behind the operator's."""


@dataclass(frozen=True)
class Authority:
    """What signs. Clients trust `certificate`, which is ca.pem."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def issue(self, server_name: str, now: datetime | None = None) -> Pair:
        """A new key with a certificate for this name, for 397 days or as long as the CA itself."""
        now = now or datetime.now(UTC)
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(x509.Name([]), self.certificate.subject, key, now)
            .not_valid_after(min(now + timedelta(days=DAYS), self.certificate.not_valid_after_utc))
            # The subject is empty, since a common name holds 64 characters at most; so this one must be critical.
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(server_name)]), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return Pair((certificate,), key)


def authority(directory: Path, now: datetime | None = None) -> Authority:
    """The CA of this directory; made when there is none. Raises CasemateError when what is there cannot be used."""
    now = now or datetime.now(UTC)
    key, certificate = directory / "ca.key", directory / "ca.pem"
    with locked(directory):
        if not key.exists() and not certificate.exists():
            made = _made(now)
            # The key last: a directory with a certificate alone says that something is missing, one with a key alone would not.
            write(certificate, made.certificate.public_bytes(serialization.Encoding.PEM), mode=0o644)
            write(key, Pair((), made.key).pem().encode())
            return made
        found = _read(directory, key, certificate)
    if found.certificate.not_valid_after_utc <= now:
        raise CasemateError(
            f"{certificate}: the private CA expired on {found.certificate.not_valid_after_utc:%Y-%m-%d}",
            next=f"move {directory} away, deploy (a new CA is made), and give the new ca.pem to all clients",
        )
    return found


def _read(directory: Path, key: Path, certificate: Path) -> Authority:
    try:
        pair = Pair.read(certificate.read_bytes(), key.read_bytes())
    except (OSError, PairError) as error:
        raise CasemateError(
            f"{directory}: the private CA cannot be read: {error}",
            next=f"restore ca.key and ca.pem from a backup; or move {directory} away, and a new CA is made",
        ) from error
    if not isinstance(pair.key, ec.EllipticCurvePrivateKey) or pair.key.public_key() != pair.certificate.public_key():
        raise CasemateError(f"{directory}: ca.key does not belong to ca.pem", next="restore both from the same backup")
    return Authority(pair.certificate, pair.key)


def _made(now: datetime) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"casemate private CA {identifier.digest.hex()[:8]}")])
    certificate = (
        _builder(name, name, key, now)
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return Authority(certificate, key)


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
    )


def _usage(**wanted: bool) -> x509.KeyUsage:
    kinds = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    kinds += ("key_cert_sign", "crl_sign", "encipher_only", "decipher_only")
    return x509.KeyUsage(**{kind: wanted.get(kind, False) for kind in kinds})
