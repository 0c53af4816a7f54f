"""The way from Nginx to a container: `/run/casemate/<component>/current`, a link to a release's socket directory.

Each socket directory is a file system of its own: whoever takes a container over may write there, and would fill /run,
which is memory and what the host's daemons need. Nor can the container of one release leave the next one no room.
"""

import os
import shutil
import subprocess
from pathlib import Path

from service.release.errors import ReleaseError
from service.release.layout import Layout

NGINX_GROUP = "www-data"
_ROOM = "size=64k,nr_inodes=16"
"""A socket takes no byte and one inode."""


def leads_to(layout: Layout, component: str) -> str | None:
    """The release that requests go to; None when there is no door."""
    try:
        return str((layout.sockets(component) / "current").readlink())
    except FileNotFoundError:
        return None


def lead(layout: Layout, component: str, release: str) -> None:
    """Let requests go to `release` from now on: a rename, so that there is no moment without a door."""
    current = layout.sockets(component) / "current"
    fresh = current.with_name(".current.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(release)
    fresh.replace(current)


def socket_directory(layout: Layout, component: str, release: str, uid: int) -> Path:
    """An empty directory for the release's socket: its container may write there, Nginx may pass, nobody else."""
    directory = layout.sockets(component) / release
    _remove(directory)
    directory.mkdir(parents=True, mode=0o750)
    mount(directory)
    shutil.chown(directory, uid, NGINX_GROUP)
    directory.chmod(0o750)
    return directory


def mount(directory: Path) -> None:
    """Bound what can be written to an empty directory, and let nothing run or be a device there."""
    _call("mount", "-t", "tmpfs", "-o", f"noexec,nosuid,nodev,mode=0700,{_ROOM}", "casemate", str(directory))


def sweep(layout: Layout, component: str, kept: str | None) -> None:
    """Only the socket directory of the release `kept`, and the door, are left."""
    for path in layout.sockets(component).iterdir():
        if path.name not in (kept, "current"):
            if path.is_symlink():
                path.unlink()
            else:
                _remove(path)


def _remove(directory: Path) -> None:
    while os.path.ismount(directory):
        _call("umount", "--lazy", str(directory))  # a container that still ends goes on with it
    shutil.rmtree(directory, ignore_errors=True)


def _call(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ReleaseError(f"{' '.join(command)}: {done.stderr.strip()}")
