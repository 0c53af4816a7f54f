"""Somebody else on the door's ports is named before anything is changed."""

from typing import Any

import pytest

from deploy.errors import CasemateError
from deploy.facts.listeners import busy_ports
from deploy.facts.observed import Observed
from deploy.settings.host import HostSettings


def settings(**proxy: Any) -> HostSettings:
    return HostSettings.model_validate(
        {
            "release": {"model": "/m", "model_name": "micro"},
            "vision": {"golden": {"picture": "/p", "question": "?", "answer": "!"}},
            "proxy": {"server_name": "vision.example.org", **proxy},
        }
    )


def seen(*listeners: dict[str, Any]) -> Observed:
    return Observed({"listeners": list(listeners), "errors": {}}, taken=0.0)


def listener(port: int, process: str | None, protocol: str = "tcp", pid: int | None = 12) -> dict[str, Any]:
    return {"protocol": protocol, "address": "0.0.0.0", "port": port, "process": process, "pid": pid}


def test_free_ports_are_free() -> None:
    assert busy_ports(settings(), seen(listener(22, "sshd"), listener(443, "chronyd", "udp"))) == []


def test_nginx_may_hold_them() -> None:
    assert busy_ports(settings(), seen(listener(443, "nginx"), listener(80, "nginx"))) == []


def test_whoever_else_holds_one_is_named_once() -> None:
    found = seen(listener(80, "apache2", "tcp6"), listener(443, "apache2"), listener(443, "apache2", "tcp6"))
    assert busy_ports(settings(), found) == [(443, "apache2 (pid 12)"), (80, "apache2 (pid 12)")]
    assert busy_ports(settings(redirect_port=None), found) == [(443, "apache2 (pid 12)")]
    assert busy_ports(settings(port=8443, redirect_port=8080), found) == []


def test_a_holder_without_a_name_is_one_too() -> None:
    assert busy_ports(settings(), seen(listener(443, None, pid=None))) == [(443, "an unknown process")]


def test_unknown_is_not_free() -> None:
    with pytest.raises(CasemateError, match="listeners could not be read"):
        busy_ports(settings(), Observed({"listeners": None, "errors": {"listeners": "Permission denied"}}, taken=0.0))
