"""What the host is given: the certificate in secret, the configuration after a check, and nothing half."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from deploy.components import proxy
from deploy.facts.observed import Observed
from deploy.settings.host import HostSettings
from service.vision import stream

SWITCHES = {"net.ipv6.conf.all.disable_ipv6": "0"}


def seen(distribution: str, version: str, sysctl: dict[str, str] = SWITCHES) -> Observed:
    system = {"id": distribution, "version_id": version}
    return Observed({"os": system, "sysctl": sysctl, "errors": {}}, taken=0.0)


BOOKWORM, JAMMY = seen("debian", "12"), seen("ubuntu", "22.04")


def settings(**changes: Any) -> HostSettings:
    return HostSettings.model_validate(
        {
            "release": {"model": "/m", "model_name": "micro"},
            "vision": {"golden": {"picture": "/p", "question": "?", "answer": "!"}},
            "proxy": {"server_name": "vision.example.org", **changes},
        }
    )


@pytest.fixture
def operations(monkeypatch: pytest.MonkeyPatch, fake_host: Any, tmp_path: Path) -> list[dict[str, Any]]:
    """The arguments of every operation of the component, in order."""
    called: list[dict[str, Any]] = []
    for name in ("installed", "directory", "file", "unit", "listening"):
        monkeypatch.setattr(proxy, name, lambda _kind=name, **arguments: called.append({"kind": _kind, **arguments}))
    monkeypatch.setattr(proxy, "host", fake_host(**BOOKWORM.data))
    proxy.apply._inner(settings(ca=tmp_path / "ca"))
    return called


def test_everything_is_there_before_the_configuration_is_checked_and_the_unit_comes_last(
    operations: list[dict[str, Any]],
) -> None:
    order = [each.get("path") or each["kind"] for each in operations]
    assert order[0] == "installed"
    assert order[-2:] == ["unit", "listening"]
    for needed in (proxy.PAIR, proxy.SPOOL, proxy.SANDBOX):
        assert order.index(needed) < order.index(proxy.CONFIGURATION)


def test_key_and_certificate_are_one_secret_file_of_root(operations: list[dict[str, Any]]) -> None:
    [pair] = [each for each in operations if "PRIVATE KEY" in each.get("content", "")]
    assert pair["path"] == proxy.PAIR
    assert (pair["mode"], pair["secret"]) == ("0600", True)
    assert "owner" not in pair
    assert "BEGIN CERTIFICATE" in pair["content"]


def test_a_new_configuration_is_checked_first_and_then_reloaded(operations: list[dict[str, Any]]) -> None:
    [written] = [each for each in operations if each.get("path") == proxy.CONFIGURATION]
    assert "nginx -t" in written["check"]
    assert {proxy.CONFIGURATION, proxy.PAIR} == set(operations[-2]["reloaded_by"])


def test_the_configuration_has_what_the_operator_chose() -> None:
    text = proxy.configuration(
        settings(port=8443, redirect_port=8080, max_body="7m", read_seconds=77, requests_per_second=3, connections=5),
        BOOKWORM,
    )
    for expected in (
        "listen 8443 ssl default_server;",
        "listen [::]:8443 ssl;",
        "listen 8080 default_server;",
        "return 308 https://vision.example.org:8443$request_uri;",
        "server_name vision.example.org;",
        "client_max_body_size 7m;",
        "client_body_buffer_size 7m;",
        "proxy_read_timeout 77s;",
        "rate=3r/s;",
        "burst=6 nodelay;",
        "limit_conn connections 5;",
    ):
        assert expected in text


def test_without_a_redirect_nothing_listens_for_http() -> None:
    text = proxy.configuration(settings(redirect_port=None), BOOKWORM)
    assert all(" ssl" in line for line in text.splitlines() if line.strip().startswith("listen"))


def test_a_kernel_without_ipv6_gets_no_address_of_it() -> None:
    text = proxy.configuration(settings(), seen("debian", "12", sysctl={}))
    assert "listen 443 ssl;" in text
    assert "[::]" not in text


def test_every_way_to_vision_replaces_the_client_s_headers() -> None:
    text = proxy.configuration(settings(), BOOKWORM)
    places = [place.partition("\n        }")[0] for place in text.split("        location ")[1:]]
    proxied = [place for place in places if "proxy_pass http://vision" in place]
    assert len(proxied) == 5
    for place in proxied:
        assert "proxy_pass_request_headers off;" in place
        assert "proxy_set_header X-Auth-Principal $principal;" in place


def test_the_oldest_nginx_rejects_strangers_too() -> None:
    assert "ssl_reject_handshake on;" not in proxy.configuration(settings(), JAMMY)
    assert "ssl_certificate data:$no_certificate;" in proxy.configuration(settings(), JAMMY)
    assert "ssl_reject_handshake on;" in proxy.configuration(settings(), seen("ubuntu", "24.04"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"server_name": "192.0.2.1"},
        {"server_name": "a b"},
        {"server_name": "x;return 200"},
        {"port": 80},
        {"max_body": "24"},
        {"certificate": "/only.pem"},
    ],
)
def test_settings_that_make_no_door_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        settings(**wrong)


def test_the_door_cannot_be_set_to_cut_a_stream_between_two_of_its_comments() -> None:
    with pytest.raises(ValidationError, match="read_seconds"):
        settings(read_seconds=int(stream._SILENCE))
    assert settings(read_seconds=20).proxy.read_seconds > stream._SILENCE
