"""The canary: there for the attempts, and in nobody's way."""

import socket

import pytest

from deploy.facts.probes import canary
from deploy.facts.probes.canary import Canary


@pytest.fixture
def free_port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Instead of DNS's, which only root may have and which may be taken."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = int(other.getsockname()[1])
    monkeypatch.setattr(canary, "PORT", port)
    return port


def test_it_listens_on_a_port_of_its_own_choice_and_answers_names(free_port: int) -> None:
    made = Canary(["127.0.0.1"])
    assert made.resolvers == ["127.0.0.1"]
    [place] = made.ports.values()
    socket.create_connection(place, timeout=2).close()


def test_somebody_else_s_resolver_is_left_alone(free_port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as dnsmasq:
        dnsmasq.bind(("127.0.0.1", free_port))
        assert Canary(["127.0.0.1"]).resolvers == []


def test_an_address_that_is_not_ours_is_an_error(free_port: int) -> None:
    with pytest.raises(OSError, match="assign"):
        Canary(["198.51.100.7"])
