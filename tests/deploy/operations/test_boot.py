"""A unit that starts a container at boot is enabled and active, and never restarted."""

from typing import Any

import pytest

from deploy.operations.boot import started_at_boot

UNIT = "casemate-vision.service"
RUNS = {"load": "loaded", "enabled": "enabled", "active": "active", "needs_reload": False}


def told(commands: Any, **changes: Any) -> Any:
    return commands(started_at_boot, {"unit": UNIT}, units={UNIT: {**RUNS, **changes}})


def test_a_unit_that_runs_is_left_alone(commands: Any) -> None:
    assert told(commands) == []


def test_a_changed_file_is_read_and_the_container_goes_on(commands: Any) -> None:
    assert told(commands, needs_reload=True) == ["systemctl daemon-reload"]


@pytest.mark.parametrize("change", [{"enabled": "disabled"}, {"active": "inactive"}, {"active": "failed"}])
def test_it_is_enabled_and_started(commands: Any, change: dict[str, Any]) -> None:
    assert told(commands, **change) == [f"systemctl enable --now {UNIT}"]


def test_one_that_systemd_does_not_know_is_read_first(commands: Any) -> None:
    [command] = commands(started_at_boot, {"unit": UNIT})
    assert command == f"systemctl daemon-reload && systemctl enable --now {UNIT}"
