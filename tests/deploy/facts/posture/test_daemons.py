"""systemd's units and sshd's settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.facts.posture.daemons import parse_sshd, parse_time, parse_units

SHOWN = """Id=ssh.service
Names=ssh.service sshd.service
LoadState=loaded
ActiveState=active
SubState=running
UnitFileState=enabled
NeedDaemonReload=yes
MainPID=34
StateChangeTimestamp=Mon 2026-11-23 07:04:41.123456 UTC
FragmentPath=/lib/systemd/system/ssh.service
DropInPaths=/etc/systemd/system/ssh.service.d/a.conf /etc/systemd/system/ssh.service.d/b.conf
NRestarts=2
Result=success

Id=casemate-firewall.service
Names=casemate-firewall.service
LoadState=not-found
ActiveState=inactive
SubState=dead
UnitFileState=
NeedDaemonReload=no
MainPID=0
StateChangeTimestamp=
FragmentPath=
DropInPaths=
"""


def test_a_unit_is_found_by_each_of_its_names() -> None:
    found = parse_units(SHOWN)
    assert found["ssh.service"] == found["sshd.service"]
    ssh = found["ssh.service"]
    assert (ssh["load"], ssh["active"], ssh["enabled"], ssh["needs_reload"]) == ("loaded", "active", "enabled", True)
    assert (ssh["main_pid"], ssh["restarts"]) == (34, 2)
    assert [path[-6:] for path in ssh["drop_ins"]] == ["a.conf", "b.conf"]


def test_a_unit_that_never_ran_changed_at_the_beginning_of_time() -> None:
    never = parse_units(SHOWN)["casemate-firewall.service"]
    assert (never["load"], never["changed"], never["drop_ins"]) == ("not-found", 0.0, [])


def test_a_change_of_state_is_known_to_the_microsecond() -> None:
    """A file may be written in the same second as the restart that read it."""
    assert parse_time("Mon 2026-11-23 07:04:41.123456 UTC") == pytest.approx(1795417481.123456, abs=1e-6)
    assert parse_time("") is None
    assert parse_time("n/a") is None


def test_a_keyword_of_sshd_that_stands_twice_is_a_list() -> None:
    assert parse_sshd("port 22\nport 2222\nPermitRootLogin no\n") == {"port": ["22", "2222"], "permitrootlogin": "no"}


WORDS = st.text(st.characters(exclude_characters="\n"), max_size=8)


@given(st.lists(st.tuples(st.sampled_from(["Id", "Names", "LoadState", "DropInPaths", "odd"]), WORDS)))
def test_any_properties_are_read(properties: list[tuple[str, str]]) -> None:
    found = parse_units("\n".join(f"{key}={value}" for key, value in properties))
    assert all({"load", "active", "changed"} <= set(unit) for unit in found.values())


@given(st.text())
def test_any_settings_of_sshd_are_read(text: str) -> None:
    parse_sshd(text)
