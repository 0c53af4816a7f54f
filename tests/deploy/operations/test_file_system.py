"""When a directory is made a file system of a fixed size, or made one that is whole."""

from collections.abc import Callable
from typing import Any

import pytest

from deploy.errors import CasemateError
from deploy.operations.file_system import file_of, file_system, moved

PLACE = "/var/log/casemate/vision"
SIZE = 16 << 20
MOUNT = "var-log-casemate-vision.mount"
UNIT_FILE = f"/etc/systemd/system/{MOUNT}"
WANTED = {"place": PLACE, "size": SIZE, "component": "vision"}
RUNNING = {"load": "loaded", "active": "active", "enabled": "enabled", "needs_reload": False, "changed": 500.0}


def seen(bytes: int = SIZE, allocated: int = SIZE, formatted: int = SIZE, **unit: Any) -> dict[str, Any]:
    return {
        "logs": {"file_systems": {file_of(PLACE): {"bytes": bytes, "allocated": allocated, "formatted": formatted}}},
        "units": {MOUNT: {**RUNNING, **unit}},
        "files": {UNIT_FILE: {"ctime": 400.0}},
    }


def test_one_that_is_mounted_whole_is_left_alone(commands: Callable[..., list[str]]) -> None:
    assert commands(file_system, WANTED, **seen()) == []
    foreign: dict[str, Any] = {"directories": {f"{PLACE}.old": {}}}
    assert commands(file_system, WANTED, **(seen() | foreign)) == [], "what an operator copied is his"


@pytest.mark.parametrize(
    "snapshot",
    [
        {"logs": {"file_systems": {}}},
        seen(bytes=SIZE // 2),
        seen(allocated=SIZE // 2),
        seen(active="inactive"),
        seen(active="failed"),
        seen(enabled="disabled"),
        seen(needs_reload=True),
        seen() | {"files": {UNIT_FILE: {"ctime": 600.0}}},
        seen() | {"directories": {moved(PLACE): {}}},
    ],
    ids=["absent", "smaller", "sparse", "unmounted", "failed", "disabled", "unread", "old options", "half moved"],
)
def test_all_else_is_made_right(commands: Callable[..., list[str]], snapshot: dict[str, Any]) -> None:
    [command] = commands(file_system, WANTED, **snapshot)
    assert "fallocate -l $size" in command


def test_a_file_that_grew_before_the_file_system_in_it_is_made_right(commands: Callable[..., list[str]]) -> None:
    wanted = {**WANTED, "size": 8 * SIZE}
    assert commands(file_system, wanted, **seen(8 * SIZE, 8 * SIZE, 8 * SIZE - (1 << 20))) == []
    assert commands(file_system, wanted, **seen(8 * SIZE, 8 * SIZE, 4 * SIZE))


def test_one_that_is_larger_is_not_made_smaller(commands: Callable[..., list[str]]) -> None:
    with pytest.raises(CasemateError, match="logs lie in it"):
        commands(file_system, WANTED, **seen(bytes=2 * SIZE))
