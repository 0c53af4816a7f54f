"""A key is accepted by its fingerprint alone, and only if nothing else is in its file."""

import base64
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.errors import CasemateError
from deploy.operations import signing_key as module
from deploy.operations.openpgp import armoured, dearmoured, packets
from deploy.operations.signing_key import accepted, signing_key
from deploy.settings.docker import DockerSettings

# Made by gpg 2.2.40 for these tests, their secret halves thrown away; the fingerprints are gpg's own words.
ED25519 = """-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawPthBYJKwYBBAHaRw8BAQdAN/GFbhRDJ1KytpzhJZOai58GxMK9pkAs/yPT
6VZCQ/i0F2Nhc2VtYXRlIHRlc3QgKGVkMjU1MTkpiJAEExYIADgWIQQIIfWDm0KW
Lykr6J1wpXyD+LH9bQUCawPthAIbAwULCQgHAgYVCgkICwIEFgIDAQIeAQIXgAAK
CRBwpXyD+LH9bdBRAP9b4myTlFl9PEZm/HhWXEDN/WuAhRal+xuUuFlAw87EcAD/
WFsAMQpeZxss8QI3NMYWNWDASqeNLi5iKSZFPIIgygc=
=qxM6
-----END PGP PUBLIC KEY BLOCK-----
"""
ED25519_FINGERPRINT = "0821F5839B42962F292BE89D70A57C83F8B1FD6D"
RSA_OLD_HEADERS = base64.b64decode(
    "mI0EawPthQEEAKTUn//bTHbrn7WhNaKKfF7bdiKkKr8A7yP+CBIyO5MD3ZgPZTZgEKW3suPC6h8xvWqp7yeOSivNwZBc8QUIxzqs"
    "XhjK8zi7axGBcRtzVCxaozS+KjVwfbgw8ezy3DzXGge/HAG299RRAO/c0+QHkGMH8piCzmRy0sp+Hm85ZLkTABEBAAG0E2Nhc2Vt"
    "YXRlIHRlc3QgKHJzYSmIzgQTAQoAOBYhBNkjGpozXpDO0bFD7Vcz779BJuxdBQJrA+2FAhsDBQsJCAcCBhUKCQgLAgQWAgMBAh4B"
    "AheAAAoJEFcz779BJuxdGUcD/2S3dU1z4BpALJ+eIjsTIeTR1Qp5VGsbe62BCVaBcNjKhVYWq7KVEjTWUlvDM8touFOHuHRII1H/"
    "6di2vHoY9gm0o+GHknQ+qpyOuz7HssecHXtayLcybwQqfgVZKGOofQrlgTNUVhoppSCXx6P4uIJSPWho4Xh/iuLLXJD4ZppL"
)
RSA_FINGERPRINT = "D9231A9A335E90CED1B143ED5733EFBF4126EC5D"


def test_fingerprints_are_those_that_gpg_prints() -> None:
    assert dearmoured(accepted(ED25519.encode(), ED25519_FINGERPRINT, "f").encode()) == dearmoured(ED25519.encode())
    assert accepted(RSA_OLD_HEADERS, RSA_FINGERPRINT, "f").startswith("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n")


def test_a_packet_may_have_either_header() -> None:
    for tag, body in packets(RSA_OLD_HEADERS):
        size = len(body)
        length = bytes([size]) if size < 192 else (size - 192 + (192 << 8)).to_bytes(2, "big")
        assert list(packets(bytes([0xC0 | tag]) + length + body)) == [(tag, body)]
        assert list(packets(bytes([0xC0 | tag, 255]) + size.to_bytes(4, "big") + body)) == [(tag, body)]


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (RSA_OLD_HEADERS, "holds the key"),
        (dearmoured(ED25519.encode()) + RSA_OLD_HEADERS, f"{ED25519_FINGERPRINT} and {RSA_FINGERPRINT}"),
        (ED25519.encode() * 2, "one armoured block"),
        (ED25519.encode() + b"-----BEGIN PGP PRIVATE KEY BLOCK-----", "one armoured block"),
        (dearmoured(ED25519.encode()) + b"\xd4\x01\x00", "something else than a public key"),
        (b"", "no OpenPGP public key"),
        (b"<html>404</html>", "no OpenPGP public key"),
        ("\u00e9".encode(), "no OpenPGP public key"),
    ],
)
def test_anything_but_the_one_key_is_refused(key: bytes, message: str) -> None:
    with pytest.raises(CasemateError, match=message) as caught:
        accepted(key, ED25519_FINGERPRINT, "the file")
    assert "was not sent" in caught.value.message


@given(at=st.integers(0, len(RSA_OLD_HEADERS) - 1), bit=st.integers(0, 7))
def test_one_flipped_bit_never_yields_another_primary_key(at: int, bit: int) -> None:
    flipped = bytearray(RSA_OLD_HEADERS)
    flipped[at] ^= 1 << bit
    try:
        text = accepted(bytes(flipped), RSA_FINGERPRINT, "f")
    except CasemateError:
        return
    bodies = [body for tag, body in packets(dearmoured(text.encode())) if tag == 6]
    assert bodies == [body for tag, body in packets(RSA_OLD_HEADERS) if tag == 6]


@given(st.binary(max_size=300))
def test_garbage_is_refused_in_words(key: bytes) -> None:
    with pytest.raises(CasemateError):
        accepted(key, RSA_FINGERPRINT, "f")


@given(st.binary(min_size=1, max_size=500))
def test_armour_is_reversible(data: bytes) -> None:
    assert dearmoured(armoured(data).encode()) == data


def settings(**changes: Any) -> DockerSettings:
    return DockerSettings.model_validate({"key_fingerprint": ED25519_FINGERPRINT, **changes})


def test_a_host_that_has_the_key_needs_no_other_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_fetched", lambda url: pytest.fail(f"fetched {url}"))
    assert signing_key(settings(), "debian", ED25519) == armoured(dearmoured(ED25519.encode()))


def test_a_key_that_was_changed_on_the_host_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(ED25519)
    found = signing_key(settings(key_file=tmp_path / "key"), "debian", armoured(RSA_OLD_HEADERS))
    assert found == armoured(dearmoured(ED25519.encode()))


def test_without_a_file_the_mirror_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def fetched(url: str) -> bytes:
        asked.append(url)
        return ED25519.encode()

    monkeypatch.setattr(module, "_fetched", fetched)
    signing_key(settings(mirror="https://mirror.example/linux/"), "ubuntu", None)
    assert asked == ["https://mirror.example/linux/ubuntu/gpg"]


def test_a_mirror_that_does_not_answer_is_named() -> None:
    with pytest.raises(CasemateError, match=r"could not be fetched from http://127\.0\.0\.1:9/debian/gpg") as caught:
        signing_key(settings(mirror="http://127.0.0.1:9"), "debian", None)
    assert "docker.key_file" in caught.value.next


def test_a_missing_key_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CasemateError, match=r"docker\.key_file: .*nowhere"):
        signing_key(settings(key_file=tmp_path / "nowhere"), "debian", None)
