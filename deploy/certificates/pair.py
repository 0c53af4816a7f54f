"""A certificate chain with its private key, and what must hold of it before a host may have it."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes


class PairError(ValueError):
    """Why a certificate or key cannot be used, as the rest of a sentence that names the file."""


@dataclass(frozen=True)
class Pair:
    """The server's own certificate, those above it, and its key."""

    chain: tuple[x509.Certificate, ...]
    key: PrivateKeyTypes

    @classmethod
    def read(cls, chain: bytes, key: bytes) -> Self:
        """From PEM; raises PairError."""
        try:
            certificates = tuple(x509.load_pem_x509_certificates(chain))
        except ValueError as error:
            raise PairError("the certificate is not PEM") from error
        try:
            return cls(certificates, serialization.load_pem_private_key(key, password=None))
        except TypeError as error:
            raise PairError("the key has a passphrase, and nobody types it when Nginx starts") from error
        except ValueError as error:
            raise PairError("the key is not PEM") from error

    @property
    def certificate(self) -> x509.Certificate:
        """The server's own."""
        return self.chain[0]

    @property
    def names(self) -> frozenset[str]:
        """DNS names that the certificate is valid for; the subject's common name does not count with any client."""
        try:
            found = self.certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        except x509.ExtensionNotFound:
            return frozenset()
        return frozenset(found.value.get_values_for_type(x509.DNSName))

    def check(self, server_name: str, now: datetime) -> None:
        """Raises PairError if no client that asks for `server_name` would accept it."""
        certificate = self.certificate
        if self.key.public_key() != certificate.public_key():
            raise PairError("the key does not belong to the certificate; is the server's own the first in the chain?")
        if certificate.not_valid_after_utc <= now:
            raise PairError(f"the certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d}")
        if certificate.not_valid_before_utc > now:
            raise PairError(f"the certificate is valid from {certificate.not_valid_before_utc:%Y-%m-%d %H:%M} UTC only")
        if not _covers(self.names, server_name):
            raise PairError(
                f"the certificate is for {', '.join(sorted(self.names)) or 'no name'}, expected {server_name}"
            )

    def pem(self) -> str:
        """Key and chain in one text, so that a host never has one without the other."""
        chain = (each.public_bytes(serialization.Encoding.PEM) for each in self.chain)
        return b"".join([key_pem(self.key), *chain]).decode()


def key_pem(key: PrivateKeyTypes) -> bytes:
    """The private key, not encrypted: Nginx starts with nobody there."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _covers(names: Iterable[str], server_name: str) -> bool:
    """A wildcard stands for one whole label."""
    parent = server_name.partition(".")[2]
    return any(name.lower() in (server_name, f"*.{parent}" if parent else server_name) for name in names)
