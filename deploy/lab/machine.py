"""How a system container is made on this machine: systemd as process 1, with an engine of its own inside."""

from pathlib import Path
from typing import Any

# Privileged would be simpler, yet fails where the machine itself lacks a capability, and shows the host's devices.
_CAPABILITIES = {
    "DAC_READ_SEARCH": 2, "LINUX_IMMUTABLE": 9, "NET_BROADCAST": 11, "NET_ADMIN": 12, "IPC_LOCK": 14, "IPC_OWNER": 15,
    "SYS_PTRACE": 19, "SYS_PACCT": 20, "SYS_ADMIN": 21, "SYS_BOOT": 22, "SYS_NICE": 23, "SYS_RESOURCE": 24,
    "SYS_TTY_CONFIG": 26, "LEASE": 28, "AUDIT_CONTROL": 30, "MAC_OVERRIDE": 32, "MAC_ADMIN": 33, "SYSLOG": 34,
    "BLOCK_SUSPEND": 36, "AUDIT_READ": 37,
}  # fmt: skip
"""Names as Docker knows them, old engines included, and their bits in the kernel's sets."""

# systemd 257 (Debian 13) starts on cgroup v1 only when told twice.
_LEGACY = {
    "SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE": "1",
    "SYSTEMD_PROC_CMDLINE": "systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",
}

# An engine mounts the private cgroup hierarchies read-only unless privileged; systemd must write to them. And a host
# without udev sees the loop devices that it may use by what is made here.
COMMAND = [
    "/bin/sh",
    "-c",
    "findmnt -rno TARGET -t cgroup,cgroup2 | xargs -n1 mount -o remount,bind,rw && {"
    " mknod /dev/loop-control c 10 237; for n in $(seq 0 63); do mknod -m 0660 /dev/loop$n b 7 $n; done;"
    " exec /sbin/init; }",
]
_LOOP_DEVICES = ["b 7:* rwm", "c 10:237 rwm"]


def bounding_set(status: Path = Path("/proc/self/status")) -> int:
    """CapBnd of this machine's processes: what root may have at most, whoever asks."""
    for line in status.read_text().splitlines():
        if line.startswith("CapBnd:"):
            return int(line.split()[1], 16)
    raise ValueError(f"{status}: no CapBnd line")


def capabilities(bounding: int) -> list[str]:
    """Those that a lab host wants and the machine has; an engine refuses to start with one that it lacks."""
    return [name for name, bit in _CAPABILITIES.items() if bounding >> bit & 1]


def has_loop_devices(control: Path = Path("/dev/loop-control")) -> bool:
    """Whether this machine can mount a file: a container that may not is no reason to have no lab."""
    return control.exists()


def host_config(bounding: int, *, loop_devices: bool) -> dict[str, Any]:
    """The Docker API's HostConfig of a lab host, without ports and volumes."""
    return {
        "CapAdd": capabilities(bounding),
        "SecurityOpt": ["seccomp=unconfined", "apparmor=unconfined"],
        "MaskedPaths": [],  # a nested engine mounts /proc anew, which the kernel refuses beneath masks
        "ReadonlyPaths": [],
        "DeviceCgroupRules": _LOOP_DEVICES if loop_devices else [],
        "CgroupnsMode": "private",  # a nested container's groups then end with the host
        "Tmpfs": {"/run": "", "/run/lock": "", "/tmp": "exec"},  # noqa: S108
    }


def environment(cgroup_version: str) -> dict[str, str]:
    """What systemd is told at start, by the engine's cgroup version ("1" or "2")."""
    return {"container": "docker", **(_LEGACY if cgroup_version == "1" else {})}
