"""A drop-in is written and read by systemd; the unit's own process goes on."""

import hashlib
from typing import Any

from deploy.operations.drop_in import drop_in

CONTENT = "[Service]\nExecStopPost=/bin/true\n"
WANTED = {"unit": "nftables.service", "content": CONTENT}
PLACE = "/etc/systemd/system/nftables.service.d"
ROOT_OWNS = {"owner": "root", "group": "root"}
THERE: dict[str, Any] = {
    "directories": {PLACE: {"mode": "0755", **ROOT_OWNS}},
    "files": {
        f"{PLACE}/casemate.conf": {
            "sha256": hashlib.sha256(CONTENT.encode()).hexdigest(),
            "mode": "0644",
            "target": None,
            "content": CONTENT,
            **ROOT_OWNS,
        }
    },
}


def test_one_that_systemd_has_read_is_left_alone(commands: Any) -> None:
    for units in ({}, {"nftables.service": {"load": "loaded", "needs_reload": False}}):
        assert commands(drop_in, WANTED, units=units, **THERE) == []


def test_one_that_systemd_has_not_read_is_read(commands: Any) -> None:
    """Also after a run that died between the two."""
    units = {"nftables.service": {"load": "loaded", "needs_reload": True}}
    assert commands(drop_in, WANTED, units=units, **THERE) == ["systemctl daemon-reload"]


def test_an_absent_one_is_written(commands: Any) -> None:
    found = commands(drop_in, WANTED)
    assert len(found) == 2
    assert f"{PLACE}/casemate.conf" in found[-1]
    assert not [command for command in found if "restart" in command]
