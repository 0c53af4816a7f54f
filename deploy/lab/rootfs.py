"""A lab host's root file system: Debian as a fresh server has it, made once by mmdebstrap and kept as a tar."""

import fcntl
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from deploy.lab.errors import LabError
from deploy.paths import cache

RELEASES = ("bookworm", "trixie")
USER = "ops"
UID = 1000

# A bare server: no engine, no proxy, nothing that the deploy is to install.
_PACKAGES = "ca-certificates,dbus,iproute2,libpam-systemd,openssh-server,procps,python3,sudo,systemd,systemd-sysv"

# /proc/sys and /sys are the operator's own machine seen through: nothing in a lab host may set them at boot.
# apt's timers would take dpkg's lock in the middle of a deploy; the rest waits for hardware that is not there.
_MASKED = (
    "systemd-sysctl.service systemd-modules-load.service systemd-binfmt.service proc-sys-fs-binfmt_misc.automount "
    "sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-fs-fuse-connections.mount "
    "dev-hugepages.mount systemd-remount-fs.service systemd-pstore.service systemd-journald-audit.socket "
    "modprobe@.service getty.target console-getty.service "
    "apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer"
)

_SSHD = "PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin no\nUseDNS no\n"

_HOOKS = (
    f'chroot "$1" useradd --create-home --uid {UID} --user-group --shell /bin/bash {USER}',
    f'echo "{USER} ALL=(ALL) NOPASSWD: ALL" > "$1/etc/sudoers.d/{USER}" && chmod 0440 "$1/etc/sudoers.d/{USER}"',
    f'printf "{_SSHD}" > "$1/etc/ssh/sshd_config.d/lab.conf"',
    'rm -f "$1"/etc/ssh/ssh_host_*',  # every host gets its own, pinned, when it is made
    f'chroot "$1" systemctl mask {_MASKED}',
    ': > "$1/etc/machine-id"',  # empty, not absent: own id for each host, yet no first-boot questions
)


def recipe(release: str) -> list[str]:
    """The mmdebstrap command without its output: all that decides what is in the file system."""
    hooks = [f"--customize-hook={hook}" for hook in _HOOKS]
    return ["mmdebstrap", "--variant=minbase", "--format=tar", f"--include={_PACKAGES}", *hooks, release]


def version(release: str) -> str:
    """`bookworm-1a2b3c4d5e6f`: changes when the recipe does."""
    digest = hashlib.sha256(json.dumps(recipe(release)).encode()).hexdigest()
    return f"{release}-{digest[:12]}"


def tar(release: str, say: Callable[[str], None]) -> Path:
    """The root file system's tar, from the cache or made now (about 45 s).

    Raises LabError when it is absent and mmdebstrap is not there or fails.
    """
    path = cache() / "lab" / f"{version(release)}.tar"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            say(f"making the root file system of {release} with mmdebstrap, once (about 45 s)")
            _build(release, path)
    return path


def _build(release: str, path: Path) -> None:
    if not shutil.which("mmdebstrap"):
        raise LabError(
            "mmdebstrap is not installed, and a lab host's root file system is made with it",
            next="on Debian or Ubuntu: sudo deploy/lab/prerequisites.sh",
        )
    partial = path.with_suffix(".partial")
    made = subprocess.run([*recipe(release), str(partial)], capture_output=True, text=True, check=False)
    if made.returncode:
        partial.unlink(missing_ok=True)
        tail = "\n".join(made.stderr.strip().splitlines()[-8:])
        raise LabError(
            f"mmdebstrap could not make the root file system of {release}:\n{tail}",
            next="see that the Debian mirror answers (apt-get update), then run it again"
            + ("" if os.geteuid() == 0 else "; who is not root needs the package uidmap, or runs it as root"),
        )
    partial.rename(path)
