"""Casemate's logs: the room that they take, where the chains stand, and what lies beside them."""

import contextlib
import fcntl
import os
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from deploy.facts.chained.heads import stands
from deploy.facts.chained.logs import LOGS
from deploy.facts.posture.read import Json, pairs, printable, text
from deploy.host_paths import HOST_LOGS
from service.ledger.chain import LedgerError

_PLACE = str(HOST_LOGS)
_JOURNAL = "/var/log/journal"
_GET_FLAGS = 0x80086601  # FS_IOC_GETFLAGS
_IMMUTABLE = 0x10
_MAY_SET_IT = 1 << 9  # CAP_LINUX_IMMUTABLE
_FORWARD = "casemate-forward.service"


def logs(units: Json | None) -> Json:
    """Bytes on the disk, heads by path ({seq, prev}), first keys still there by path (age in seconds), and seals.

    `file_systems`: {bytes, allocated, formatted: bytes of the ext4 in it} of each file that a container's file system
    lies in; what lies in that counts as `bytes`, the file does not. `taken`: what both take of the disk they lie on.
    `followed`: the logs that the forwarding daemon has open: it may run, and read none.
    `seals`: {possible: the file system knows immutable files and root may make them, open: packed files that are not}.
    """
    found = list(_files(_PLACE))
    file_systems = {
        path: status for path, status in found if os.path.dirname(path) == _PLACE and path.endswith(".ext4")
    }
    kept = [(path, status) for path, status in found if path not in file_systems]
    disk = os.stat(_PLACE).st_dev if os.path.isdir(_PLACE) else None
    heads: Json = {}
    for path in LOGS.values():
        try:
            heads[path] = stands(Path(path))
        except (LedgerError, OSError):  # `casemate logs verify` is who tells of that.
            heads[path] = None
    keys = {
        path: time.time() - os.stat(f"{path}.key").st_mtime for path in LOGS.values() if os.path.exists(f"{path}.key")
    }
    packed = [path for path, _ in kept if path.endswith(".gz")]
    possible = _may_seal() and (flags(_PLACE) is not None)
    return {
        "bytes": sum(status.st_blocks * 512 for _, status in kept),
        "taken": sum(status.st_blocks * 512 for _, status in found if status.st_dev == disk),
        "file_systems": {
            path: {"bytes": status.st_size, "allocated": status.st_blocks * 512, "formatted": formatted(path)}
            for path, status in file_systems.items()
        },
        "journal_bytes": sum(status.st_blocks * 512 for _, status in _files(_JOURNAL)),
        "heads": heads,
        "keys": keys,
        "followed": followed(((units or {}).get(_FORWARD) or {}).get("main_pid")),
        "seals": {
            "possible": possible,
            "open": [printable(path) for path in packed if possible and not (flags(path) or 0) & _IMMUTABLE],
        },
    }


def followed(pid: int | None) -> list[str]:
    """Our logs that a process has open."""
    links = Path(f"/proc/{pid}/fd").glob("*") if pid else ()
    paths = set()
    for link in links:
        with contextlib.suppress(OSError):  # It was closed meanwhile.
            paths.add(os.readlink(link))
    return sorted(path for path in paths if path.startswith(f"{_PLACE}/"))


def formatted(path: str) -> int:
    """Bytes of the ext4 in a file, by its superblock; 0 where there is none. (statvfs leaves out what tables take.)"""
    try:
        with open(path, "rb") as file:
            superblock = file.read(2048)[1024:]
    except OSError:
        return 0
    if superblock[56:58] != b"\x53\xef":
        return 0
    [blocks], [shift] = (struct.unpack_from("<I", superblock, at) for at in (4, 24))
    return int(blocks) << (10 + int(shift))


def flags(path: str) -> int | None:
    """What `lsattr` shows of a file or directory; None where the file system has no such thing."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        return int(struct.unpack("l", fcntl.ioctl(fd, _GET_FLAGS, bytes(struct.calcsize("l"))))[0])
    except OSError:
        return None
    finally:
        os.close(fd)


def _may_seal() -> bool:
    known = dict(pairs(text("/proc/self/status").splitlines(), ":"))
    return bool(int(known["CapEff"], 16) & _MAY_SET_IT)


def _files(place: str) -> Iterator[tuple[str, os.stat_result]]:
    for directory, _, names in os.walk(place):
        for name in names:
            path = os.path.join(directory, name)
            try:
                status = os.lstat(path)
            except OSError:  # gone since it was listed
                continue
            if stat.S_ISREG(status.st_mode):
                yield path, status
