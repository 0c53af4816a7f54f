"""The engine is restarted only for what it has not read, and never in a way that its containers notice."""

from typing import Any

import pytest

from deploy.operations.engine import CONFIGURATION, UNIT, WALLS, engine, live_restore

RUNS = {
    "load": "loaded",
    "active": "active",
    "enabled": "enabled",
    "needs_reload": False,
    "changed": 100.0,
    "fragment": "/lib/systemd/system/docker.service",
    "drop_ins": [],
}
STOPPED = {**RUNS, "active": "inactive"}


def answers(live: bool) -> dict[str, Any]:
    return {"installed": True, "reachable": True, "info": {"LiveRestoreEnabled": live}}


def test_an_engine_without_live_restore_takes_it_up_before_it_is_restarted(commands: Any) -> None:
    [command] = commands(live_restore, {}, docker=answers(live=False))
    assert "systemctl kill --signal=HUP" in command
    # `systemctl reload` would count as the unit's last change of state, and hide that a restart is due.
    assert "systemctl reload" not in command


def test_nothing_to_take_up(commands: Any) -> None:
    assert commands(live_restore, {}, docker=answers(live=True)) == []
    assert commands(live_restore, {}, docker={"installed": False}) == []
    assert commands(live_restore, {}, docker={"installed": True, "reachable": False, "error": "inactive"}) == []
    assert commands(live_restore, {}, docker=None) == []


def test_a_newer_configuration_restarts_the_engine(commands: Any) -> None:
    files = {CONFIGURATION: {"ctime": 101.0}}
    assert commands(engine, {}, units={UNIT: RUNS}, files=files)[-1] == f"systemctl restart {UNIT}"
    assert commands(engine, {}, units={UNIT: RUNS}, files={CONFIGURATION: {"ctime": 99.0}}) == []


def test_an_engine_waits_for_its_walls_and_for_nothing_else(commands: Any) -> None:
    down = {UNIT: STOPPED, WALLS: {**RUNS, "active": "failed"}}
    assert commands(engine, {"waits": True}, units=down) == []
    assert commands(engine, {}, units=down)[-1].endswith(UNIT)
    assert commands(engine, {"waits": True}, units={UNIT: STOPPED, WALLS: RUNS})[-1].endswith(UNIT)
    assert commands(engine, {"waits": True}, units={UNIT: STOPPED})[-1].endswith(UNIT)


def test_an_engine_that_runs_in_the_open_is_still_restarted_for_its_configuration(commands: Any) -> None:
    units = {UNIT: RUNS, WALLS: {**RUNS, "active": "failed"}}
    found = commands(engine, {"waits": True}, units=units, files={CONFIGURATION: {"ctime": 101.0}})
    assert found[-1] == f"systemctl restart {UNIT}"


@pytest.mark.parametrize("change", [{"active": "failed"}, {"active": "inactive"}, {"needs_reload": True}])
def test_an_engine_with_other_unit_files_starts_behind_a_fresh_socket(commands: Any, change: dict[str, Any]) -> None:
    """The distribution's packages gave way to Docker's: "no sockets found via socket activation"."""
    found = commands(engine, {}, units={UNIT: {**RUNS, **change}})
    assert found[0].startswith("systemctl stop docker.service docker.socket; systemctl reset-failed")
    assert found[-1].endswith(UNIT)


SILENT = {"installed": True, "reachable": False, "error": "timed out"}


@pytest.mark.parametrize(
    ("package", "docker", "afresh"),
    [
        ({"docker.io": "20.10.24+dfsg1-1+deb12u1+b6"}, "20.10.24+dfsg1", False),
        ({"docker.io": "26.1.3-0ubuntu1~24.04.1"}, "26.1.3", False),
        ({"docker-ce": "5:28.0.1-1~debian.12~bookworm"}, "28.0.1", False),
        ({"docker-ce": "5:28.0.1-1~debian.12~bookworm"}, "20.10.24+dfsg1", True),
        ({"docker.io": "26.1.5+dfsg1-9+deb13u1"}, None, True),
        ({}, "28.0.1", False),
    ],
)
def test_the_installed_engine_is_the_one_that_runs(
    commands: Any, package: dict[str, str], docker: str | None, afresh: bool
) -> None:
    """A package's scripts reload systemd, so that it has nothing to say about a process of the package before."""
    section = {**answers(live=True), "version": {"Version": docker}} if docker else SILENT
    found = commands(engine, {}, units={UNIT: RUNS}, packages=package, docker=section)
    assert bool(found and found[0].startswith("systemctl stop docker.service docker.socket")) is afresh


def test_an_engine_that_is_being_started_is_waited_for(commands: Any) -> None:
    found = commands(engine, {}, units={UNIT: {**RUNS, "active": "activating"}})
    assert found[0] == f"systemctl start {UNIT}"
