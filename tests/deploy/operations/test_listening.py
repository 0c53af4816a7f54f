"""A door that is not open fails the run; one that is open costs nothing."""

from typing import Any

import pytest

from deploy.facts import observed as observation
from deploy.operations.change import differences
from deploy.operations.listening import listening as operation

listening: Any = operation
NGINX = [
    {"protocol": protocol, "address": "::", "port": 443, "process": "nginx", "pid": 7} for protocol in ("tcp", "tcp6")
]
APACHE = [{**row, "process": "apache2"} for row in NGINX]
WANTED = {"process": "nginx", "ports": (443,)}


def test_an_open_door_needs_nothing(commands: Any) -> None:
    assert commands(listening, WANTED, listeners=NGINX) == []


@pytest.mark.parametrize("listeners", [[], APACHE, [{**NGINX[0], "protocol": "udp"}], [{**NGINX[0], "port": 80}]])
def test_a_plan_says_what_will_be_opened(fake_host: Any, listeners: Any) -> None:
    host = fake_host(listeners=listeners)
    assert list(listening._inner(**WANTED)) == ["true"]
    assert "+port 443" in differences(host, "operation")[0]


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the host looks like each time that it is looked at again."""

    def looks(*listeners: Any) -> None:
        answers = iter(listeners)
        seen = lambda _: observation.Observed({"listeners": next(answers), "errors": {}}, taken=0.0)  # noqa: E731
        monkeypatch.setattr(observation, "_observe", seen)
        monkeypatch.setattr("deploy.operations.listening._PAUSE_SECONDS", 0)

    return looks


def test_a_door_that_opens_late_is_waited_for(fake_host: Any, later: Any) -> None:
    later([], NGINX)
    fake_host(executing=True, listeners=[])
    assert list(listening._inner(**WANTED)) == []


def test_a_door_that_stays_shut_fails_the_run(fake_host: Any, later: Any) -> None:
    later(*[APACHE] * 10)
    fake_host(executing=True, listeners=APACHE)
    [command] = listening._inner(**WANTED)
    assert "gpu1: nginx does not listen on port 443; what ran before still runs" in str(command.args)
