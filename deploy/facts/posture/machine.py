"""The machine: distribution, memory, disks, clock, packages, users and kernel settings."""

import ctypes
import os
import platform
import time

from deploy.facts.posture.read import Json, pairs, text, text_or_none

SYSCTLS = (
    "kernel.yama.ptrace_scope",
    "kernel.kptr_restrict",
    "kernel.dmesg_restrict",
    "kernel.unprivileged_bpf_disabled",
    "kernel.randomize_va_space",
    "fs.protected_symlinks",
    "fs.protected_hardlinks",
    "fs.suid_dumpable",
    "net.ipv4.ip_forward",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.all.accept_redirects",
    "net.ipv4.conf.all.route_localnet",
    "net.ipv6.conf.all.disable_ipv6",
    "net.ipv6.conf.all.forwarding",
    "net.bridge.bridge-nf-call-iptables",
    "net.bridge.bridge-nf-call-ip6tables",
)


def operating_system() -> Json:
    """Distribution, kernel, and whether systemd runs."""
    release = {key: value.strip("\"'") for key, value in pairs(text("/etc/os-release").splitlines(), "=")}
    kernel = os.uname()
    return {
        "id": release.get("ID", ""),
        "version_id": release.get("VERSION_ID", ""),
        "codename": release.get("VERSION_CODENAME", ""),
        "kernel": kernel.release,
        "architecture": kernel.machine,
        "python": platform.python_version(),
        "root": os.geteuid() == 0,
        "systemd": os.path.isdir("/run/systemd/system"),
        "hostname": kernel.nodename,
        "container": os.path.exists("/run/systemd/container") or os.path.exists("/.dockerenv"),
        "apparmor": text_or_none("/sys/module/apparmor/parameters/enabled") == "Y",
    }


def clock_synchronised() -> bool | None:
    """As timedatectl judges: the kernel's largest error is below 16 s. None when the kernel was not readable."""
    try:
        timex = ctypes.create_string_buffer(512)  # struct timex, modes = 0: read only; maxerror (µs) is the fourth long
        if ctypes.CDLL(None, use_errno=True).adjtimex(timex) < 0:
            return None
        word = ctypes.sizeof(ctypes.c_long)
        return int.from_bytes(timex.raw[3 * word : 4 * word], "little", signed=True) < 16_000_000
    except (OSError, AttributeError):
        return None


def resources() -> Json:
    """Memory, disks, processors and the clock."""
    memory = {key: int(value.split()[0]) * 1024 for key, value in pairs(text("/proc/meminfo").splitlines(), ":")}
    free, total = {}, {}
    for place in ("/", "/var/lib", "/var/lib/docker", "/var/lib/casemate", "/var/log"):
        if os.path.isdir(place):
            disk = os.statvfs(place)
            free[place], total[place] = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    return {
        "memory_bytes": memory["MemTotal"],
        "memory_available_bytes": memory["MemAvailable"],
        "swap_bytes": memory["SwapTotal"],
        "cpus": os.cpu_count(),
        "disk_free_bytes": free,
        "disk_total_bytes": total,
        "time": time.time(),
        "clock_synchronised": clock_synchronised(),
    }


def parse_packages(status: str) -> dict[str, str]:
    """Installed packages of a dpkg status file: name to version."""
    found = {}
    for paragraph in status.split("\n\n"):
        fields = dict(pairs((line for line in paragraph.splitlines() if not line.startswith(" ")), ":"))
        if fields.get("Status", "").split()[-1:] == ["installed"] and "Package" in fields:
            found[fields["Package"]] = fields.get("Version", "")
    return found


def packages() -> dict[str, str]:
    """Installed distribution packages."""
    return parse_packages(text("/var/lib/dpkg/status"))


def users() -> Json:
    """Local users; a directory service is not asked."""
    rows = (line.split(":") for line in text("/etc/passwd").splitlines())
    return {
        row[0]: {"uid": int(row[2]), "gid": int(row[3]), "home": row[5], "shell": row[6]}
        for row in rows
        if len(row) == 7 and row[2].isdigit() and row[3].isdigit()
    }


def groups() -> Json:
    """Local groups with their members."""
    rows = (line.split(":") for line in text("/etc/group").splitlines())
    return {
        row[0]: {"gid": int(row[2]), "members": [member for member in row[3].split(",") if member]}
        for row in rows
        if len(row) == 4 and row[2].isdigit()
    }


def sysctl() -> dict[str, str]:
    """Kernel settings that controls ask for, as far as this kernel has them."""
    values = {name: text_or_none("/proc/sys/" + name.replace(".", "/")) for name in SYSCTLS}
    return {name: value for name, value in values.items() if value is not None}


def modules() -> list[str]:
    """Names of the loaded kernel modules; a kernel without module support has no such file."""
    return sorted(line.split()[0] for line in (text_or_none("/proc/modules") or "").splitlines() if line.split())
