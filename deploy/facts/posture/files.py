"""Files, directories, links and sockets under casemate's own places and the daemons' configuration."""

import functools
import glob
import grp
import hashlib
import os
import pwd
import stat
from collections.abc import Callable, Iterator, Sequence

from deploy.facts.posture.read import Json, printable
from deploy.host_paths import HOST_LOGS

MAX_CONTENT = 64 * 1024

CONFIGURATION = (
    "/etc/casemate",
    "/opt/casemate",
    "/etc/docker",
    "/etc/nginx/nginx.conf",
    "/etc/nginx/conf.d",
    "/etc/nginx/sites-enabled",
    "/etc/systemd/system/casemate-*",
    "/etc/systemd/system/var-log-casemate-*.mount",
    "/etc/systemd/system/nginx.service.d",
    "/etc/systemd/system/docker.service.d",
    "/etc/systemd/system/containerd.service.d",
    "/etc/systemd/system/nftables.service.d",
    "/etc/systemd/journald.conf.d",
    "/etc/tmpfiles.d/casemate*",
    "/etc/sysusers.d/casemate*",
    "/etc/logrotate.d/casemate*",
    "/etc/sysctl.d/*casemate*",
    "/etc/modules-load.d/*casemate*",
    "/etc/modprobe.d/*casemate*",
    "/etc/apt/sources.list.d",
    "/etc/apt/keyrings",
    "/etc/apt/preferences.d",
)
"""Patterns; a directory stands for all that is in it."""

DATA = (
    "/var/lib/casemate",
    str(HOST_LOGS),
    "/var/log/journal",
    "/run/casemate",
    "/run/docker.sock",
    "/run/containerd/containerd.sock",
)
"""Directories, links and sockets are listed here, files are not: they are data, and there are many."""

CLOSED = ("/var/lib/casemate/models", "/var/lib/casemate/blobs", "/var/log/journal")
"""Directories that are listed but not entered."""


@functools.cache
def user_name(uid: int) -> str:
    """The user's name, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


@functools.cache
def group_name(gid: int) -> str:
    """The group's name, or the number where it has none."""
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def attributes(status: os.stat_result) -> Json:
    """Mode and owner."""
    mode = f"{stat.S_IMODE(status.st_mode):04o}"
    return {"mode": mode, "owner": user_name(status.st_uid), "group": group_name(status.st_gid)}


def regular(path: str, status: os.stat_result) -> Json:
    """One file: hash and attributes; content if everybody may read it, and it is text and short."""
    with open(path, "rb") as file:
        head = file.read(MAX_CONTENT + 1)
        digest = hashlib.sha256(head)
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    content = shown(head) if status.st_mode & stat.S_IROTH else None
    known = {"sha256": digest.hexdigest(), "size": status.st_size, "ctime": status.st_ctime}
    return {**known, **attributes(status), "content": content, "target": None}


def shown(data: bytes) -> str | None:
    """The text, if it is short and is text."""
    if len(data) > MAX_CONTENT or b"\0" in data:
        return None
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return None


def walk(patterns: Sequence[str]) -> Iterator[tuple[str, os.stat_result]]:
    """All that the patterns name, directories with their content; links are not followed, what is gone is left out."""
    waiting = [path for pattern in reversed(patterns) for path in sorted(glob.glob(pattern), reverse=True)]
    while waiting:
        path = waiting.pop()
        try:
            status = os.lstat(path)
            if stat.S_ISDIR(status.st_mode) and path not in CLOSED:
                waiting += sorted((entry.path for entry in os.scandir(path)), reverse=True)
        except OSError:
            continue
        yield path, status


def link(path: str, status: os.stat_result) -> Json:
    """One symbolic link."""
    known = {"sha256": None, "size": status.st_size, "ctime": status.st_ctime, "content": None}
    return {**known, **attributes(status), "target": printable(os.readlink(path))}


def files() -> Json:
    """Regular files of the configuration, and all symbolic links."""
    found = {}
    for patterns, wants_regular in ((CONFIGURATION, True), (DATA, False)):
        for path, status in walk(patterns):
            try:
                if stat.S_ISLNK(status.st_mode):
                    found[printable(path)] = link(path, status)
                elif stat.S_ISREG(status.st_mode) and wants_regular:
                    found[printable(path)] = regular(path, status)
            except FileNotFoundError:  # gone since it was listed
                continue
    return found


def of_kind(is_kind: Callable[[int], bool]) -> Json:
    """Attributes of everything of one kind in all places."""
    found = walk((*CONFIGURATION, *DATA))
    return {printable(path): attributes(status) for path, status in found if is_kind(status.st_mode)}


def directories() -> Json:
    """Directories of the configuration and the data."""
    return of_kind(stat.S_ISDIR)


def sockets() -> Json:
    """UNIX sockets in our places, and the engine's."""
    return of_kind(stat.S_ISSOCK)
