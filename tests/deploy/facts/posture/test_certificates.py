"""Public certificates, and never the key that lies in the same file."""

from hypothesis import given
from hypothesis import strategies as st

from deploy.facts.posture.certificates import parse_certificates

PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
KEY = "-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----"


def test_of_a_pem_file_only_the_certificates_are_told() -> None:
    assert parse_certificates(f"{PEM}\n{KEY}\n{PEM}\n") == f"{PEM}\n{PEM}\n"
    assert parse_certificates(KEY) == ""
    assert parse_certificates("-----BEGIN CERTIFICATE-----\n" + KEY) == ""


@given(
    st.lists(st.sampled_from([PEM, KEY, "subject=CN = x", "-----END CERTIFICATE-----", "-----BEGIN CERTIFICATE-----"]))
)
def test_no_key_gets_through_however_the_file_is_put_together(parts: list[str]) -> None:
    assert "PRIVATE" not in parse_certificates("\n".join(parts))
    assert "MIIE" not in parse_certificates("\n".join(parts))
