"""The private CA is made once, is its owner's alone, and signs what a client accepts."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from deploy.certificates.authority import DAYS, YEARS, authority
from deploy.errors import CasemateError

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_it_is_made_once_and_kept(tmp_path: Path) -> None:
    made = authority(tmp_path / "state" / "ca", NOW)
    assert authority(tmp_path / "state" / "ca", NOW + timedelta(days=300)).certificate == made.certificate


def test_only_its_owner_can_read_the_key(tmp_path: Path) -> None:
    authority(tmp_path / "ca", NOW)
    assert mode(tmp_path / "ca") == 0o700
    assert mode(tmp_path / "ca" / "ca.key") == 0o600
    assert {path.name for path in (tmp_path / "ca").iterdir()} == {"ca.key", "ca.pem", ".lock"}


def test_two_operators_have_two_cas(tmp_path: Path) -> None:
    one, other = authority(tmp_path / "one", NOW), authority(tmp_path / "other", NOW)
    certificate = one.issue("a.example", NOW).certificate
    assert one.signed(certificate)
    assert not other.signed(certificate)
    assert one.certificate.subject != other.certificate.subject


def test_a_certificate_is_for_a_server_of_one_name(tmp_path: Path) -> None:
    pair = authority(tmp_path, NOW).issue("a.example", NOW)
    assert pair.names == {"a.example"}
    assert pair.certificate.not_valid_after_utc == NOW + timedelta(days=DAYS)
    constraints = pair.certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    assert not constraints.ca


def test_the_ca_signs_no_other_ca(tmp_path: Path) -> None:
    certificate = authority(tmp_path, NOW).certificate
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value == x509.BasicConstraints(True, 0)


def test_no_certificate_outlives_its_ca(tmp_path: Path) -> None:
    ca = authority(tmp_path, NOW)
    late = ca.certificate.not_valid_after_utc - timedelta(days=10)
    assert ca.issue("a.example", late).certificate.not_valid_after_utc == ca.certificate.not_valid_after_utc


def test_a_run_that_died_in_between_is_completed(tmp_path: Path) -> None:
    key = authority(tmp_path, NOW).key
    (tmp_path / "ca.pem").unlink()
    assert authority(tmp_path, NOW).certificate.public_key() == key.public_key()
    assert (tmp_path / "ca.pem").exists()


@pytest.mark.parametrize("spoil", [lambda ca: (ca / "ca.key").unlink(), lambda ca: (ca / "ca.pem").write_text("no")])
def test_what_cannot_be_used_is_not_replaced_silently(tmp_path: Path, spoil: object) -> None:
    authority(tmp_path, NOW)
    spoil(tmp_path)  # type: ignore[operator]
    with pytest.raises(CasemateError, match="the private CA cannot be read"):
        authority(tmp_path, NOW)


def test_two_halves_do_not_make_a_ca(tmp_path: Path) -> None:
    for name in ("one", "other"):
        authority(tmp_path / name, NOW)
    (tmp_path / "one" / "ca.pem").replace(tmp_path / "other" / "ca.pem")
    with pytest.raises(CasemateError, match=r"ca\.key does not belong to ca\.pem"):
        authority(tmp_path / "other", NOW)


def test_an_expired_ca_says_so(tmp_path: Path) -> None:
    authority(tmp_path, NOW)
    with pytest.raises(CasemateError, match="expired on 2036"):
        authority(tmp_path, NOW + timedelta(days=366 * YEARS))
