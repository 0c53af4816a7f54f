"""Limits of both versions of control groups."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.facts.posture.limits import (
    cgroup,
    cgroup_directory,
    limit,
    parse_cgroup,
    parse_limits,
    parse_processors,
    swap_beside,
)
from deploy.facts.posture.mounts import parse_mounts

LIMITS = """Limit                     Soft Limit           Hard Limit           Units
Max cpu time              unlimited            unlimited            seconds
Max core file size        0                    unlimited            bytes
Max open files            1024                 1048576              files
Max nice priority         0                    0
"""
V1 = """30 24 0:26 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory
31 24 0:27 /docker/abc /sys/fs/cgroup/pids rw,nosuid - cgroup cgroup rw,pids
32 24 0:28 / /sys/fs/cgroup/unified rw,nosuid - cgroup2 cgroup2 rw
"""
V2 = "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"


def test_limits_of_a_process() -> None:
    found = parse_limits(LIMITS)
    assert found["core_file_size"] == {"soft": 0, "hard": -1}
    assert found["open_files"] == {"soft": 1024, "hard": 1048576}
    assert "nice_priority" in found


@pytest.mark.parametrize(
    ("word", "meaning"),
    [("max", -1), ("unlimited", -1), ("9223372036854771712", -1), ("-1", -1), ("0", 0), ("268435456", 268435456)],
)
def test_no_limit_is_minus_one_however_the_kernel_writes_it(word: str, meaning: int) -> None:
    assert limit(word) == meaning


@pytest.mark.parametrize(
    ("words", "processors"),
    [
        ("200000 100000", 2.0),
        ("max 100000", -1.0),
        ("-1 100000", -1.0),
        ("50000 100000", 0.5),
        ("", None),
        (None, None),
    ],
)
def test_processors(words: str | None, processors: float | None) -> None:
    assert parse_processors(words) == processors


def test_swap_is_what_version_1_allows_beyond_memory() -> None:
    assert swap_beside("100", "100") == 0
    assert swap_beside("100", "300") == 200
    assert swap_beside("100", "9223372036854771712") == -1
    assert swap_beside("100", None) is None


def test_a_controller_s_own_hierarchy_is_found_before_the_unified_one() -> None:
    membership = parse_cgroup("9:memory:/docker/c1\n8:cpu,cpuacct:/docker/c1\n0::/docker/c1\n")
    mounts = parse_mounts(V1)
    assert cgroup_directory("memory", membership, mounts) == "/sys/fs/cgroup/memory/docker/c1"
    assert membership["cpuacct"] == "/docker/c1"


def test_a_mount_of_a_part_of_the_hierarchy_is_read_from_that_part() -> None:
    membership = parse_cgroup("8:pids:/docker/abc/docker/c1\n")
    assert cgroup_directory("pids", membership, parse_mounts(V1)) == "/sys/fs/cgroup/pids/docker/c1"


def test_version_2_has_one_path_for_all() -> None:
    membership = parse_cgroup("0::/system.slice/docker-c1.scope\n")
    assert cgroup_directory("memory", membership, parse_mounts(V2)) == "/sys/fs/cgroup/system.slice/docker-c1.scope"


def test_a_controller_that_is_nowhere_has_no_directory() -> None:
    assert cgroup_directory("memory", {}, parse_mounts(V2)) is None


def test_what_cannot_be_read_of_this_process_is_left_out() -> None:
    assert all(isinstance(value, (int, float)) for value in cgroup(1).values())


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    parse_limits(text)
    parse_cgroup(text)
    parse_mounts(text)
