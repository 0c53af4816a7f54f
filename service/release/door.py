"""The way from Nginx to a container: `/run/casemate/<component>/current`, a link to a release's socket directory."""

import shutil
from pathlib import Path

from service.release.layout import Layout

NGINX_GROUP = "www-data"


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
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o750)
    shutil.chown(directory, uid, NGINX_GROUP)
    directory.chmod(0o750)
    return directory


def sweep(layout: Layout, component: str, kept: str | None) -> None:
    """Only the socket directory of the release `kept`, and the door, are left."""
    for path in layout.sockets(component).iterdir():
        if path.name not in (kept, "current"):
            if path.is_symlink():
                path.unlink()
            else:
                shutil.rmtree(path, ignore_errors=True)
