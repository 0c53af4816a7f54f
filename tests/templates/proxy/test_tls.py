"""Whom the door talks to at all."""

import http.client
import ssl
from typing import Any

import pytest

NAME = "vision.example.org"


def trusting(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    """A client that takes any certificate, and every cipher and protocol that it has."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    if version:
        context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_the_certificate_is_the_private_ca_s(door: Any, version: ssl.TLSVersion) -> None:
    context = ssl.create_default_context(cafile=str(door.settings.ca / "ca.pem"))
    context.minimum_version = context.maximum_version = version
    with door.connect(context=context) as connection:
        assert connection.getpeercert()["subjectAltName"] == (("DNS", NAME),)


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_protocols_are_refused(door: Any, version: ssl.TLSVersion) -> None:
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol_version|unsupported protocol|no protocols"):
        door.connect(context=trusting(version))


def test_weak_ciphers_are_refused(door: Any) -> None:
    context = trusting(ssl.TLSVersion.TLSv1_2)
    context.set_ciphers("AES128-SHA:AES256-SHA:ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")
    with pytest.raises(ssl.SSLError):
        door.connect(context=context)
    door.connect(context=trusting(ssl.TLSVersion.TLSv1_2)).close()


@pytest.mark.parametrize("name", ["other.example", "x.vision.example.org", None])
def test_who_does_not_know_the_name_gets_no_certificate(door: Any, name: str | None) -> None:
    with pytest.raises(ssl.SSLError):
        door.connect(name, trusting())


@pytest.mark.parametrize("name", ["other.example", None])
def test_nor_from_an_nginx_that_cannot_reject_a_handshake(own_door: Any, name: str | None) -> None:
    """Ubuntu 22.04 has 1.18; this way was taken with the Nginx here."""
    own_door.start(rejects_handshake=False)
    assert own_door.get("/healthz").status == 200
    with pytest.raises(ssl.SSLError):
        own_door.connect(name, trusting())


def test_plain_http_on_the_tls_port_is_told_so(door: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", door.settings.port, timeout=5)
    connection.request("GET", "/healthz")
    response = connection.getresponse()
    assert response.status == 400
    assert b'"error"' in response.read()


def test_http_leads_to_https(door: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", door.settings.redirect_port, timeout=5)
    connection.request("POST", "/v1/models", headers={"Host": "evil.example"})
    response = connection.getresponse()
    assert response.status == 308
    assert response.headers["Location"] == f"https://{NAME}:{door.settings.port}/v1/models"
