"""Who owns which log, and how logs are turned over."""

import re
from typing import Any

import pytest
from pydantic import ValidationError

from deploy.components.logs import OWNERS
from deploy.facts.posture.daemons import UNITS
from deploy.host_paths import HOST_LOGS
from deploy.operations.file_system import file_of, mount_unit
from deploy.operations.templates import render
from deploy.settings.base import in_bytes
from deploy.settings.logs import CONTAINED, LogsSettings


def rotation(**changes: Any) -> str:
    settings = LogsSettings.model_validate(changes)
    return render("logs/logrotate.conf.j2", size=in_bytes(settings.max_size))


def test_sizes_are_bytes() -> None:
    """logrotate knows k, M and G, and refuses the m and g that Docker writes."""
    assert "\nsize 104857600\n" in rotation()
    assert "\nsize 1073741824\n" in rotation(max_size="1g", keep=7, container_max=None)


def test_old_files_go_by_the_ledger_which_knows_immutable_ones_and_tells_the_journal() -> None:
    assert "\nrotate -1\n" in rotation()
    settings = LogsSettings.model_validate({"keep": 7, "max_total": "2g", "container_max": "1g"})
    values = {"configuration": "x", "settings": settings, "most": in_bytes(settings.max_total), "journal": "j"}
    unit = render("logs/casemate-logrotate.service.j2", **values)
    retain = "\nExecStopPost=/opt/casemate/bin/casemate-ledger retain --keep 7 --most 2147483648 --journal j /var/"
    assert retain in unit
    assert "CAP_LINUX_IMMUTABLE" in unit


def test_one_log_that_may_take_more_than_all_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"max_size x \(keep \+ 1\) = 12.9 GB"):
        LogsSettings.model_validate({"max_size": "1g", "keep": 11, "container_max": None})
    assert LogsSettings.model_validate({"max_size": "256m", "keep": 9}).room == 15 << 30
    assert LogsSettings.model_validate({"max_size": "1g", "keep": 9, "container_max": None}).room == 11 << 30


def test_containers_that_may_take_all_that_logs_may_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"2 containers of container_max \(6g\)"):
        LogsSettings.model_validate({"container_max": "6g"})


def test_every_log_directory_that_a_container_owns_is_bounded() -> None:
    assert {name for name, (owner, _) in OWNERS.items() if owner != "root"} == {*CONTAINED}


def test_a_container_s_file_system_in_which_nothing_could_be_packed_is_refused() -> None:
    with pytest.raises(ValidationError, match=r"container_max \(64m\) is less than 8 times max_size \(100m\)"):
        LogsSettings.model_validate({"container_max": "64m"})
    assert LogsSettings.model_validate({"container_max": "800m"}).room


def test_what_lies_in_a_log_directory_is_no_program_and_no_device() -> None:
    place = f"{HOST_LOGS}/vision"
    unit = render("logs/container.mount.j2", component="vision", place=place, file=file_of(place))
    [options] = [line for line in unit.splitlines() if line.startswith("Options=")]
    assert {"nodev", "nosuid", "noexec"} <= set(options.removeprefix("Options=").split(","))
    assert f"\nWhere={place}\n" in unit, "or systemd refuses a unit of this name"
    assert mount_unit(place) == "var-log-casemate-vision.mount"
    assert mount_unit(place) in UNITS, "its state is observed"


def test_the_journal_is_bounded() -> None:
    text = render("logs/journald.conf.j2", bytes=1 << 30)
    assert {"SystemMaxUse=1073741824", "SystemMaxFileSize=67108864", "Storage=persistent"} <= set(text.splitlines())


def test_no_line_is_lost_by_turning_over() -> None:
    directives = [line.split()[0] for line in rotation().splitlines() if line and line[0].isalpha()]
    assert "delaycompress" in directives
    assert "copytruncate" not in directives
    assert "nocreate" in directives, "writers make their own files, as their own user"


def test_every_log_directory_is_turned_over() -> None:
    assert {*re.findall(r"^/var/log/casemate/(\w+)/\*\.jsonl", rotation(), re.MULTILINE)} == OWNERS.keys()


def test_root_never_turns_over_in_a_directory_of_somebody_else() -> None:
    sections = dict(re.findall(r"^/var/log/casemate/(\w+)/[^{]*\{(.*?)^\}", rotation(), re.MULTILINE | re.DOTALL))
    for component, (owner, group) in OWNERS.items():
        su = re.search(r"^\s*su (\S+) (\S+)$", sections[component], re.MULTILINE)
        assert (su.groups() if su else ("root", None))[0] == owner
        assert su is None or su[2] == group
