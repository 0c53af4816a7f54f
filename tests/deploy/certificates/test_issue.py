"""A host's certificate is renewed in time and otherwise left alone; a foreign one is checked before it travels."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from deploy.certificates.issue import server_certificate
from deploy.certificates.pair import Pair, PairError, _covers
from deploy.errors import CasemateError, SettingsError
from deploy.settings.proxy import ProxySettings

NOW = datetime(2026, 11, 23, tzinfo=UTC)
NAME = "vision.example.org"


def private(tmp_path: Path, **changes: Any) -> ProxySettings:
    return ProxySettings(**{"server_name": NAME, "ca": tmp_path / "ca", **changes})


def after(days: float) -> datetime:
    return NOW + timedelta(days=days)


def test_a_host_keeps_its_certificate(tmp_path: Path) -> None:
    settings = private(tmp_path)
    made = server_certificate(settings, "gpu1", NOW)
    made.check(NAME, NOW)
    assert server_certificate(settings, "gpu1", after(366)).pem() == made.pem()


def test_each_host_has_its_own_key(tmp_path: Path) -> None:
    settings = private(tmp_path)
    assert server_certificate(settings, "gpu1", NOW).pem() != server_certificate(settings, "gpu2", NOW).pem()
    kept = tmp_path / "ca" / "hosts" / "gpu1.pem"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_it_is_renewed_30_days_before_its_end(tmp_path: Path) -> None:
    settings = private(tmp_path)
    made = server_certificate(settings, "gpu1", NOW)
    renewed = server_certificate(settings, "gpu1", after(368))
    assert renewed.pem() != made.pem()
    assert renewed.certificate.not_valid_after_utc == after(368 + 397)


def test_another_name_or_another_ca_makes_it_anew(tmp_path: Path) -> None:
    made = server_certificate(private(tmp_path), "gpu1", NOW)
    renamed = server_certificate(private(tmp_path, server_name="other.example"), "gpu1", NOW)
    assert renamed.names == {"other.example"}
    for file in ("ca.key", "ca.pem"):
        (tmp_path / "ca" / file).unlink()
    again = server_certificate(private(tmp_path, server_name="other.example"), "gpu1", NOW)
    assert len({made.pem(), renamed.pem(), again.pem()}) == 3


def test_in_the_last_days_of_the_ca_nothing_is_made_anew_each_time(tmp_path: Path) -> None:
    settings = private(tmp_path)
    server_certificate(settings, "gpu1", NOW)
    late = after(3650 - 10)
    assert server_certificate(settings, "gpu1", late).pem() == server_certificate(settings, "gpu1", late).pem()


def test_a_spoiled_file_is_named(tmp_path: Path) -> None:
    settings = private(tmp_path)
    server_certificate(settings, "gpu1", NOW)
    (tmp_path / "ca" / "hosts" / "gpu1.pem").write_text("no certificate")
    with pytest.raises(CasemateError, match=r"hosts/gpu1\.pem"):
        server_certificate(settings, "gpu1", NOW)


def foreign(
    tmp_path: Path, names: tuple[str, ...] = (NAME,), days: tuple[float, float] = (-1, 90), other_key: bool = False
) -> ProxySettings:
    """Settings with a certificate from elsewhere."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(after(days[0])).not_valid_after(after(days[1]))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
    certificate = builder.sign(key, hashes.SHA256())
    (tmp_path / "chain.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    written = ec.generate_private_key(ec.SECP256R1()) if other_key else key
    (tmp_path / "key.pem").write_text(Pair((), written).pem())
    (tmp_path / "key.pem").chmod(0o600)
    return private(tmp_path, certificate=tmp_path / "chain.pem", private_key=tmp_path / "key.pem")


def test_an_own_certificate_is_taken_as_it_is(tmp_path: Path) -> None:
    settings = foreign(tmp_path)
    pem = server_certificate(settings, "gpu1", NOW).pem()
    assert (tmp_path / "chain.pem").read_text() in pem
    assert not (tmp_path / "ca").exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"other_key": True}, "the key does not belong to the certificate"),
        ({"days": (-90, -1)}, "expired on 2026-11-22"),
        ({"days": (1, 90)}, "valid from 2026-11-24"),
        ({"names": ("other.example", "www.example.org")}, f"for other.example, www.example.org, expected {NAME}"),
        ({"names": ()}, "for no name"),
    ],
)
def test_one_that_no_client_would_accept_is_refused(tmp_path: Path, wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        server_certificate(foreign(tmp_path, **wrong), "gpu1", NOW)


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    settings = foreign(tmp_path)
    (tmp_path / "key.pem").chmod(0o644)
    with pytest.raises(SettingsError, match=r"mode 0644, expected 0600"):
        server_certificate(settings, "gpu1", NOW)


@pytest.mark.parametrize(("file", "message"), [("chain.pem", "not PEM"), ("key.pem", "the key is not PEM")])
def test_files_of_something_else_are_refused(tmp_path: Path, file: str, message: str) -> None:
    settings = foreign(tmp_path)
    (tmp_path / file).write_text("something else")
    with pytest.raises(SettingsError, match=message):
        server_certificate(settings, "gpu1", NOW)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    settings = foreign(tmp_path)
    (tmp_path / "chain.pem").unlink()
    with pytest.raises(SettingsError, match=r"chain\.pem: No such file"):
        server_certificate(settings, "gpu1", NOW)


def test_a_key_with_a_passphrase_is_refused(tmp_path: Path) -> None:
    settings = foreign(tmp_path)
    key = ec.generate_private_key(ec.SECP256R1())
    secret = serialization.BestAvailableEncryption(b"passphrase")
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret)
    (tmp_path / "key.pem").write_bytes(pem)
    with pytest.raises(SettingsError, match="has a passphrase"):
        server_certificate(settings, "gpu1", NOW)


@given(
    label=st.from_regex(r"[a-z0-9-]{1,10}", fullmatch=True),
    parent=st.from_regex(r"[a-z]+(\.[a-z]+){1,2}", fullmatch=True),
)
def test_a_wildcard_stands_for_one_label(label: str, parent: str) -> None:
    assert _covers([f"*.{parent}"], f"{label}.{parent}")
    assert _covers([f"{label}.{parent}".upper()], f"{label}.{parent}")
    assert not _covers([f"*.{parent}"], parent)
    assert not _covers([f"*.{parent}"], f"a.{label}.{parent}")
    assert not _covers(["*"], label)


def test_pairs_without_a_certificate_are_refused() -> None:
    with pytest.raises(PairError, match="not PEM"):
        Pair.read(b"", b"")
