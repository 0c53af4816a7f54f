"""What a host lacks is told all at once; a host that lacks nothing passes, again and again."""

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.facts.observed import Observed
from deploy.facts.shortfalls import Shortfall, shortfalls
from deploy.settings.host import HostSettings

NOW = 1_795_000_000.0
SETTINGS = HostSettings.model_validate(
    {
        "release": {"model": "/models/x", "model_name": "x"},
        "vision": {"golden": {"picture": "/p.png", "question": "?", "answer": "!"}},
        "proxy": {"server_name": "vision.example.org"},
        "network": {"subnet": "172.31.250.0/24"},
    }
)
GOOD: dict[str, Any] = {
    "errors": {},
    "os": {
        "id": "debian",
        "version_id": "12",
        "codename": "bookworm",
        "architecture": "x86_64",
        "python": "3.11.2",
        "systemd": True,
        "root": True,
    },
    "resources": {
        "memory_bytes": 16_500_000_000,
        "disk_free_bytes": {"/": 10**9, "/var/lib": 51 * 10**9, "/var/log": 17 * 10**9},
        "time": NOW + 29,
    },
    "users": {"root": {"uid": 0, "gid": 0}},
    "listeners": [{"protocol": "tcp", "address": "0.0.0.0", "port": 22, "pid": 1, "process": "sshd"}],
    "routes": [
        {"interface": "eth0", "destination": "0.0.0.0/0", "gateway": "10.0.0.1"},
        {"interface": "eth0", "destination": "10.0.0.0/24", "gateway": "0.0.0.0"},
        {"interface": "eth0", "destination": "::/0", "gateway": "fe80::1"},
    ],
    "docker": {"installed": False},
    "release": {"state": None},
}


def judged(now: float = NOW, **changes: dict[str, Any] | None) -> list[Shortfall]:
    seen = deepcopy(GOOD)
    for section, change in changes.items():
        if change is None or not isinstance(seen[section], dict):
            seen[section] = change
        else:
            seen[section].update(change)
    return shortfalls(SETTINGS, Observed(seen, now), now)


def test_a_good_host_lacks_nothing() -> None:
    assert judged() == []


@pytest.mark.parametrize(
    ("distribution", "version"), [("debian", "12"), ("debian", "13"), ("ubuntu", "22.04"), ("ubuntu", "24.04")]
)
def test_supported_distributions(distribution: str, version: str) -> None:
    assert judged(os={"id": distribution, "version_id": version}) == []


@pytest.mark.parametrize(
    ("changes", "what", "got"),
    [
        ({"os": {"id": "fedora", "version_id": "42"}}, "distribution", "this is Fedora 42"),
        ({"os": {"id": "debian", "version_id": "11"}}, "distribution", "this is Debian 11"),
        ({"os": {"id": "debian", "version_id": ""}}, "distribution", "this is Debian"),
        ({"os": {"id": "ubuntu", "version_id": "12"}}, "distribution", "this is Ubuntu 12"),
        ({"os": {"architecture": "aarch64"}}, "architecture", "aarch64"),
        ({"os": {"systemd": False}}, "init", "systemd does not run"),
        ({"os": {"python": "3.9.18"}}, "python3", "3.9.18"),
        ({"os": {"root": False}}, "rights", "this user is not root"),
        ({"resources": {"disk_free_bytes": {"/var/lib": 49_900_000_000}}}, "disk", "49.9 GB free in /var/lib"),
        ({"resources": {"disk_free_bytes": {}}}, "disk", "0.0 GB free in /var/lib"),
        (
            {"resources": {"disk_free_bytes": {"/var/lib": 51 * 10**9, "/var/log": 15 * 10**9}}},
            "room for logs",
            "15.0 GB free or taken by logs in /var/log",
        ),
        ({"resources": {"memory_bytes": 8_000_000_000}}, "memory", "8.0 GB"),
        ({"resources": {"time": NOW + 31}}, "clock", "31 s ahead of this machine's"),
        ({"resources": {"time": NOW - 3600}}, "clock", "3600 s behind this machine's"),
        ({"users": {"www": {"uid": 64010, "gid": 5}}}, "user id", "64010 belongs to www"),
        (
            {"listeners": [{"protocol": "tcp", "address": "0.0.0.0", "port": 443, "pid": 7, "process": "apache2"}]},
            "port",
            "443 is held by apache2 (pid 7)",
        ),
        (
            {"routes": [{"interface": "wg0", "destination": "172.31.0.0/16", "gateway": "0.0.0.0"}]},
            "subnet",
            "172.31.250.0/24 overlaps the route to 172.31.0.0/16 by wg0",
        ),
    ],
)
def test_each_shortfall_says_what_was_got_and_what_to_do(changes: dict[str, Any], what: str, got: str) -> None:
    [found] = judged(**changes)
    assert (found.what, found.got) == (what, got)
    assert found.expected
    assert found.next


def test_all_shortfalls_come_in_one_list() -> None:
    found = judged(
        os={"id": "fedora", "version_id": "42", "systemd": False},
        resources={"memory_bytes": 1, "disk_free_bytes": {"/var/lib": 0}, "time": 0.0},
        users={"www": {"uid": 64011}},
    )
    assert [each.what for each in found] == ["distribution", "init", "disk", "memory", "clock", "user id"]


@pytest.mark.parametrize("section", ["os", "resources", "users", "listeners", "routes"])
def test_what_could_not_be_read_is_a_shortfall(section: str) -> None:
    seen = {**GOOD, section: None, "errors": {section: "Permission denied"}}
    [found] = shortfalls(SETTINGS, Observed(seen, NOW), NOW)
    assert "Permission denied" in found.got


def test_our_own_users_and_nginx_are_no_shortfall_on_a_second_deploy() -> None:
    nginx = {"protocol": "tcp", "address": "0.0.0.0", "port": 443, "pid": 7, "process": "nginx"}
    assert judged(users={"casemate-vision": {"uid": 64010}}, listeners=[nginx]) == []  # type: ignore[arg-type]


def test_a_host_that_holds_a_release_needs_room_to_work_only() -> None:
    """Its models have taken the room that the first deploy asked for."""
    room = {"disk_free_bytes": {"/var/lib": 2 * 10**9}}
    assert [each.what for each in judged(resources=room)] == ["disk"]
    assert judged(resources=room, release={"state": {"accepted_sequence": 1}}) == []
    full = {"disk_free_bytes": {"/var/lib": 10**8}}
    assert [each.what for each in judged(resources=full, release={"state": {"accepted_sequence": 1}})] == ["disk"]


def test_room_that_logs_have_taken_already_is_room_for_logs() -> None:
    there = {"taken": 9 * 10**9, "journal_bytes": 10**9}
    room = {"disk_free_bytes": {"/var/lib": 51 * 10**9, "/var/log": 7 * 10**9}}
    seen = deepcopy(GOOD)
    seen["resources"].update(room)
    assert shortfalls(SETTINGS, Observed({**seen, "logs": there}, NOW), NOW) == []
    assert [each.what for each in shortfalls(SETTINGS, Observed(seen, NOW), NOW)] == ["room for logs"]


@given(skew=st.floats(-1e6, 1e6), taken=st.floats(0, 4e9))
def test_the_clock_is_judged_by_its_distance(skew: float, taken: float) -> None:
    found = [each.what for each in judged(now=taken, resources={"time": taken + skew})]
    if abs(skew) > 30.001:
        assert found == ["clock"]
    if abs(skew) < 29.999:
        assert found == []
