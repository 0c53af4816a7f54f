"""Users are made once, with the ids that the settings name, and never taken over from somebody else."""

from typing import Any

import pytest

from deploy.errors import CasemateError
from deploy.operations.users import system_users

WANTED = {"path": "/etc/sysusers.d/casemate.conf", "users": {"casemate-vision": 64010, "casemate-gate": 64011}}


def seen(**ids: int) -> dict[str, Any]:
    names = {name.replace("_", "-"): number for name, number in ids.items()}
    return {
        "users": {name: {"uid": number} for name, number in names.items()},
        "groups": {name: {"gid": number} for name, number in names.items()},
    }


def test_users_that_exist_are_left_alone(commands: Any) -> None:
    assert commands(system_users, WANTED, **seen(casemate_vision=64010, casemate_gate=64011, root=0)) == []


@pytest.mark.parametrize("known", [{}, {"casemate_vision": 64010}])
def test_missing_users_are_made(commands: Any, known: dict[str, int]) -> None:
    assert commands(system_users, WANTED, **seen(**known)) == ["systemd-sysusers /etc/sysusers.d/casemate.conf"]


def test_a_user_with_another_id_is_refused(commands: Any) -> None:
    with pytest.raises(CasemateError, match=r"gpu1: casemate-gate has the id 998, expected 64011"):
        commands(system_users, WANTED, **seen(casemate_vision=64010, casemate_gate=998))


def test_a_group_with_another_id_is_refused(commands: Any) -> None:
    found = seen(casemate_vision=64010, casemate_gate=64011)
    found["groups"]["casemate-gate"] = {"gid": 5}
    with pytest.raises(CasemateError, match="has the id 5, expected 64011"):
        commands(system_users, WANTED, **found)
