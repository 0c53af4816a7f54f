"""A unit runs, is enabled, and has read the files that are on the disk."""

from typing import Any

import pytest

from deploy.operations.units import unit

RUNNING = {
    "load": "loaded",
    "active": "active",
    "enabled": "enabled",
    "needs_reload": False,
    "changed": 100.0,
    "fragment": "/lib/x.service",
    "drop_ins": ["/etc/x.d/a.conf"],
}
OLD, NEW = {"ctime": 99.0}, {"ctime": 101.0}
BOTH = {"unit": "x.service", "restarted_by": ["/etc/restart"], "reloaded_by": ["/etc/reload"]}


def test_a_unit_with_its_current_files_is_left_alone(commands: Any) -> None:
    files = {"/etc/restart": OLD, "/etc/reload": OLD, "/etc/x.d/a.conf": OLD}
    assert commands(unit, BOTH, units={"x.service": RUNNING}, files=files) == []


@pytest.mark.parametrize(
    ("changes", "files", "last"),
    [
        ({}, {"/etc/reload": NEW}, "systemctl reload x.service"),
        ({}, {"/etc/restart": NEW}, "systemctl restart x.service"),
        ({}, {"/etc/reload": NEW, "/etc/restart": NEW}, "systemctl restart x.service"),
        ({}, {"/etc/x.d/a.conf": NEW}, "systemctl restart x.service"),
        ({"needs_reload": True}, {}, "systemctl restart x.service"),
        ({"active": "failed"}, {}, "systemctl start x.service"),
        ({"active": "inactive"}, {"/etc/reload": NEW}, "systemctl start x.service"),
    ],
)
def test_what_was_not_read_yet_is_read(
    commands: Any, changes: dict[str, Any], files: dict[str, Any], last: str
) -> None:
    assert commands(unit, BOTH, units={"x.service": {**RUNNING, **changes}}, files=files)[-1] == last


def test_another_unit_that_changed_since_restarts_it(commands: Any) -> None:
    wanted = {"unit": "x.service", "restarted_by": ["a.mount", "none.mount"]}
    for changed, found in ((99.0, []), (101.0, ["systemctl daemon-reload", "systemctl restart x.service"])):
        units = {"x.service": RUNNING, "a.mount": {**RUNNING, "changed": changed}}
        assert commands(unit, wanted, units=units) == found


def test_a_masked_or_disabled_unit_is_enabled(commands: Any) -> None:
    found = commands(unit, {"unit": "x.service"}, units={"x.service": {**RUNNING, "enabled": "disabled"}})
    assert "systemctl enable x.service" in found


def test_an_absent_unit_is_enabled_and_started(commands: Any) -> None:
    [command] = commands(unit, {"unit": "x.service"}, units={"x.service": {**RUNNING, "load": "not-found"}})
    assert command.endswith("systemctl enable --now x.service")
