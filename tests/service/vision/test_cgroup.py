"""The container's share of the machine, under both versions of cgroups."""

import os
from pathlib import Path

import pytest

from service.vision.cgroup import cpus, memory_left

MACHINE = float(len(os.sched_getaffinity(0)))
GIB = 1 << 30


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"cpu.max": "50000 100000\n"}, 0.5),
        ({"cpu.max": "max 100000\n"}, MACHINE),
        ({"cpu.max": "99900000 100000\n"}, MACHINE),
        ({"cpu/cpu.cfs_quota_us": "25000\n", "cpu/cpu.cfs_period_us": "50000\n"}, 0.5),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, MACHINE),
        ({}, MACHINE),
    ],
)
def test_cpus(tmp_path: Path, files: dict[str, str], expected: float) -> None:
    assert cpus(write(tmp_path, files)) == expected


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"memory.max": f"{4 * GIB}\n", "memory.current": f"{GIB}\n"}, 3 * GIB),
        (
            {
                "memory.max": f"{4 * GIB}\n",
                "memory.current": f"{3 * GIB}\n",
                "memory.stat": f"anon 5\ninactive_file {GIB}\n",
            },
            2 * GIB,
        ),
        ({"memory.max": "max\n", "memory.current": f"{GIB}\n"}, 8 * GIB),
        ({"memory.max": f"{64 * GIB}\n", "memory.current": f"{GIB}\n"}, 8 * GIB),
        (
            {"memory/memory.limit_in_bytes": f"{2 * GIB}\n", "memory/memory.usage_in_bytes": f"{GIB}\n"},
            GIB,
        ),
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 8 * GIB),
        ({}, 8 * GIB),
    ],
)
def test_memory_left(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  16777216 kB\nMemAvailable:    8388608 kB\n")
    assert memory_left(write(tmp_path, files), meminfo) == expected
