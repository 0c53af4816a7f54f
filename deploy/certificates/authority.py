"""The operator's private CA: a directory with ca.key (0600) and ca.pem, made when absent."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.certificates.pair import Pair, key_pem
from deploy.certificates.vault import write
from deploy.errors import CasemateError
from deploy.private import locked

YEARS = 10
DAYS = 397
"""Of a server certificate: just under what clients accept of a public CA, so that renewal is no rare event."""

_SLACK = timedelta(minutes=5)
"""A client's clock may be behind the operator's."""


@dataclass(frozen=True)
class Authority:
    """What signs. Clients trust `certificate`, which is ca.pem."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    def issue(self, server_name: str, now: datetime) -> Pair:
        """A new key with a certificate for this name alone, for 397 days or as long as the CA itself."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            _builder(x509.Name([]), self.certificate.subject, key, now)
            .not_valid_after(min(now + timedelta(days=DAYS), self.certificate.not_valid_after_utc))
            # Critical because the subject is empty: a common name holds 64 characters at most, and nobody reads it.
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(server_name)]), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(digital_signature=True), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        return Pair((certificate,), key)

    def signed(self, certificate: x509.Certificate) -> bool:
        """Whether a client that trusts this CA would trust the certificate."""
        try:
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return True


def authority(directory: Path, now: datetime) -> Authority:
    """The CA of this directory, made when there is none. Raises CasemateError when what is there cannot be used."""
    key_file, certificate_file = directory / "ca.key", directory / "ca.pem"
    with locked(directory):
        # The key first: one without its certificate is what a run leaves that died here, and gets a certificate below.
        if not key_file.exists() and not certificate_file.exists():
            write(key_file, key_pem(ec.generate_private_key(ec.SECP256R1())))
        try:
            key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
            if isinstance(key, ec.EllipticCurvePrivateKey) and not certificate_file.exists():
                write(certificate_file, _self_signed(key, now).public_bytes(serialization.Encoding.PEM), mode=0o644)
            pair = Pair.read(certificate_file.read_bytes(), key_file.read_bytes())
        except (OSError, TypeError, ValueError) as error:
            raise _unusable(directory, f"cannot be read: {error}") from error
    if not isinstance(pair.key, ec.EllipticCurvePrivateKey) or pair.key.public_key() != pair.certificate.public_key():
        raise _unusable(directory, "is of two halves: ca.key does not belong to ca.pem")
    if pair.certificate.not_valid_after_utc <= now:
        raise _unusable(directory, f"expired on {pair.certificate.not_valid_after_utc:%Y-%m-%d}")
    return Authority(pair.certificate, pair.key)


def _unusable(directory: Path, why: str) -> CasemateError:
    return CasemateError(
        f"{directory}: the private CA {why}",
        next=f"restore ca.key and ca.pem; or move {directory} away, deploy, and give clients the new ca.pem",
    )


def _self_signed(key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.Certificate:
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"casemate private CA {identifier.digest.hex()[:8]}")])
    return (
        _builder(name, name, key, now)
        .not_valid_after(now + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True, crl_sign=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder(subject_name=subject, issuer_name=issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLACK)
    )


def _usage(digital_signature: bool = False, key_cert_sign: bool = False, crl_sign: bool = False) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=digital_signature,
        key_cert_sign=key_cert_sign,
        crl_sign=crl_sign,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
