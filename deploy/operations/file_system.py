"""A file system of a fixed size, in a file, for a directory of a container: what is written there ends there.

The file is allocated in whole: however full the disk is, what has room in the file system has room on the disk. The
kernel keeps the bound, whatever is done inside: many files, sparse ones, preallocated ones, removed ones that are open.

A directory that has files already is moved aside, while its container is stopped, and copied into the new file system,
whose file gets its name only when it is whole. What can be refused is refused before that; whatever fails later has
the directory put back and the container started again. Each step is found done or not done by the next run, if this one
is killed; until the file system is mounted nobody but root can write there, so that no line goes where it would be
hidden.
"""

import shlex

from pyinfra import host

from deploy.errors import CasemateError
from deploy.facts.observed import observed
from deploy.operations.change import differs
from deploy.operations.convergence import Commands, convergence
from deploy.operations.expected import enabled_items, expects
from deploy.operations.templates import render

_TAIL = 16 << 20
"""mkfs and resize2fs leave out a last group of blocks that has room for hardly more than its own tables."""


def mount_unit(place: str) -> str:
    """systemd's name of the unit that mounts there; of a path without a dash or anything else to escape."""
    return f"{place.strip('/').replace('/', '-')}.mount"


def moved(place: str) -> str:
    """Where the directory waits until it is copied; it is removed then, so nobody else must think of the name."""
    return f"{place}.moved-by-casemate"


def file_of(place: str) -> str:
    """The file that its file system lies in."""
    return f"{place}.ext4"


@convergence
def file_system(place: str, size: int, component: str) -> Commands:
    """`place`, a directory of the component's container, is a file system of `size` bytes.

    Its mount unit is on the disk already. Raises CasemateError for one that is larger: it holds logs, and they stay.
    """
    seen, mount, file = observed(host), mount_unit(place), file_of(place)
    fragment = f"/etc/systemd/system/{mount}"
    found, unit = seen.required("logs")["file_systems"].get(file), seen.unit(mount)
    if found and found["bytes"] > size:
        raise CasemateError(
            f"{host.name}: {file} has {found['bytes']} bytes, and {size} were asked for: logs lie in it",
            next="set logs.container_max to what it has, or more",
        )
    # Zeroes that the kernel writes into a file system in a file can give a little of the file back to the disk. And the
    # file grows before the file system in it does.
    whole = (
        found and found["bytes"] == size and found["allocated"] >= size * 9 // 10 and found["formatted"] > size - _TAIL
    )
    runs = unit and (unit["active"], unit["enabled"], unit["needs_reload"]) == ("active", "enabled", False)
    # systemd reads a unit anew for whoever asks it to; its options hold from the next mount on.
    written = seen.file(fragment)
    holds = unit and not (written and written["ctime"] > unit["changed"])
    if whole and runs and holds and seen.directory(moved(place)) is None:
        host.noop(f"{place} is a file system of {size} bytes")
        return
    expects(*enabled_items(mount, fragment))
    has = f"{found['formatted']} bytes, {'mounted' if runs else 'not mounted'}\n" if found else None
    differs(place, has, f"{size} bytes, mounted\n")
    yield render(
        "logs/file_system.sh.j2",
        place=shlex.quote(place),
        file=shlex.quote(file),
        moved=shlex.quote(moved(place)),
        size=size,
        unit=shlex.quote(mount),
        owner=f"casemate-{component}",
    )
