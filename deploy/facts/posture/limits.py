"""What the kernel grants a process: limits and control groups of both versions. -1 is "unlimited"."""

import os
import re

from deploy.facts.posture.mounts import parse_mounts
from deploy.facts.posture.read import Json, text, text_or_none

_UNLIMITED = 1 << 62


def limit(word: str) -> int:
    """A limit of the kernel's; version 1 of control groups writes "none" as a huge number."""
    if word in ("max", "unlimited") or not 0 <= int(word) < _UNLIMITED:
        return -1
    return int(word)


def parse_limits(limits: str) -> Json:
    """/proc/PID/limits as {"open_files": {"soft": 1024, "hard": -1}}."""
    rows = re.findall(r"^Max (.+?)\s{2,}(\d+|unlimited)\s+(\d+|unlimited)", limits, re.MULTILINE)
    return {name.replace(" ", "_"): {"soft": limit(soft), "hard": limit(hard)} for name, soft, hard in rows}


def parse_processors(words: str | None) -> float | None:
    """`200000 100000` is 2.0 processors, `max 100000` and `-1 100000` are -1; None when there is nothing to read."""
    quota, _, period = (words or "").partition(" ")
    if not quota or not period.isdigit() or int(period) == 0:
        return None
    return -1.0 if limit(quota) < 0 else int(quota) / int(period)


def parse_cgroup(membership: str) -> dict[str, str]:
    """/proc/PID/cgroup as {controller: path}; version 2's one path is under ""."""
    rows = [line.split(":", 2) for line in membership.splitlines()]
    return {name: row[2] for row in rows if len(row) == 3 for name in row[1].split(",")}


def cgroup_directory(controller: str, membership: dict[str, str], mounts: list[Json]) -> str | None:
    """Where a controller's limits stand: in its own hierarchy (version 1) if there is one, else in the unified one."""
    for mount in mounts:
        of_one = mount["fstype"] == "cgroup" and controller in mount["super_options"]
        inside = membership.get(controller if of_one else "")
        if inside is None or not (of_one or mount["fstype"] == "cgroup2"):
            continue
        if mount["root"] != "/" and inside.startswith(mount["root"]):
            inside = inside[len(mount["root"]) :]
        return f"{mount['target']}/{inside.strip('/')}"
    return None


def cgroup(pid: int) -> Json:
    """Limits that hold now: {"memory_bytes", "swap_bytes", "pids", "cpus"}; one that could not be read is left out."""
    membership = parse_cgroup(text(f"/proc/{pid}/cgroup"))
    # A controller's own hierarchy goes before the unified one, which is mounted beside it on hybrid machines.
    mounts = sorted(parse_mounts(text("/proc/self/mountinfo")), key=lambda mount: str(mount["fstype"]))

    def word(controller: str, name: str) -> str | None:
        place = cgroup_directory(controller, membership, mounts)
        return text_or_none(os.path.join(place, name)) if place else None

    memory = word("memory", "memory.max") or word("memory", "memory.limit_in_bytes")
    both, swap = word("memory", "memory.memsw.limit_in_bytes"), word("memory", "memory.swap.max")
    pids = word("pids", "pids.max")
    quota = word("cpu", "cpu.max") or f"{word('cpu', 'cpu.cfs_quota_us')} {word('cpu', 'cpu.cfs_period_us')}"
    known = {
        "memory_bytes": limit(memory) if memory else None,
        "swap_bytes": limit(swap) if swap else swap_beside(memory, both),
        "pids": limit(pids) if pids else None,
        "cpus": None if quota.startswith("None") else parse_processors(quota),
    }
    return {name: value for name, value in known.items() if value is not None}


def swap_beside(memory: str | None, both: str | None) -> int | None:
    """Version 1 limits memory and the sum of memory and swap."""
    if not memory or not both:
        return None
    return -1 if limit(both) < 0 else max(0, limit(both) - limit(memory))
