"""After a command the host is looked at again; an error in execute fails this host alone."""

from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api.command import FunctionCommand

from deploy.errors import CasemateError
from deploy.operations.convergence import convergence


@convergence
def two_commands() -> Any:
    yield "first"
    yield "second"


@convergence
def broken() -> Any:
    yield "first"
    raise CasemateError("docker did not answer", next="systemctl status docker")


def test_a_plan_keeps_the_snapshot(fake_host: Any) -> None:
    host = fake_host()
    assert list(two_commands._inner()) == ["first", "second"]
    assert "casemate.snapshot" in host.connector_data


def test_every_executed_command_makes_the_snapshot_stale(fake_host: Any) -> None:
    host = fake_host(executing=True)
    commands = iter(two_commands._inner())
    next(commands)
    assert "casemate.snapshot" in host.connector_data
    next(commands)
    assert "casemate.snapshot" not in host.connector_data


def test_an_error_before_any_change_ends_the_run(fake_host: Any) -> None:
    fake_host()
    with pytest.raises(CasemateError):
        list(broken._inner())


def test_an_error_in_execute_is_a_failed_command_with_its_sentence(fake_host: Any) -> None:
    host = fake_host(executing=True)
    first, failure = broken._inner()
    assert first == "first"
    assert isinstance(failure, FunctionCommand)
    assert failure.execute(SimpleNamespace(), host, {}) is False
    assert "docker did not answer" in host.connector_data["casemate.error"]
