"""A file system of a fixed size, in a file, for a directory of a container: what is written there ends there.

The file is allocated in whole: however full the disk is, what has room in the file system has room on the disk. The
kernel keeps the bound, whatever is done inside: many files, sparse ones, preallocated ones, removed ones that are open.

A directory that has files already is moved aside, while its container is stopped, and copied into the new file system,
whose file gets its name only when it is whole. Each step is found done or not done by the next run, if this one dies;
until the file system is mounted nobody but root can write there, so that no line goes where it would be hidden.
"""

import shlex

from pyinfra import host

from deploy.errors import CasemateError
from deploy.facts.observed import observed
from deploy.operations.change import differs
from deploy.operations.convergence import Commands, convergence
from deploy.operations.expected import enabled_items, expects

_MAKE = """set -e
PATH=$PATH:/usr/sbin:/sbin
umask 077
place={place} image={image} old={place}.old size={size} container={container}
refuse() {{ echo "$1" >&2; exit 1; }}
if ! mountpoint -q "$place"; then
  if [ -d "$place" ] && [ -n "$(ls -A "$place")" ]; then
    [ ! -e "$image" ] && [ ! -e "$old" ] || refuse "$place has files and is not mounted: move them away"
    used=$(du -s -B1 "$place" | cut -f1)
    [ $((used / 3 * 4)) -le $size ] || refuse "$place has $used bytes, expected at most three quarters of $size"
    if systemctl -q is-active "$container.service"; then systemctl stop "$container.service"; fi
    running=$(find /proc -maxdepth 1 -name '[0-9]*' -user {user})
    [ -z "$running" ] || refuse "{user} still runs: $running"
    mv -T "$place" "$old"
  fi
  if [ ! -e "$image" ]; then
    rm -f "$image.new"
    fallocate -l $size "$image.new"
    from=; [ ! -e "$old" ] || from="-d $old"
    mkfs.ext4 -q -F -m 0 -E nodiscard,lazy_itable_init=0 $from "$image.new"
    sync "$image.new"
    mv -T "$image.new" "$image"
  fi
  install -d -m 0700 -o root -g root "$place"
fi
systemctl daemon-reload
systemctl enable {unit}
systemctl start {unit}
fallocate -l $size "$image"
device=$(findmnt -n -o SOURCE -M "$place")
losetup -c "$device"
resize2fs "$device"
chown {user}:{user} "$place"
chmod 0750 "$place"
if [ -e "$old" ]; then chattr -R -f -i "$old" || true; rm -rf "$old"; fi
if systemctl -q is-enabled "$container.service" 2>/dev/null; then systemctl start "$container.service"; fi
"""


def mount_unit(place: str) -> str:
    """systemd's name of the unit that mounts there; of a path without a dash or anything else to escape."""
    return f"{place.strip('/').replace('/', '-')}.mount"


@convergence
def file_system(place: str, image: str, size: int, component: str) -> Commands:
    """`place`, a directory of the component's container, is a file system of `size` bytes in the file `image`.

    Its mount unit is on the disk already. Raises CasemateError for one that is larger: it holds logs, and they stay.
    """
    seen, mount = observed(host), mount_unit(place)
    found, unit = seen.required("logs")["images"].get(image), seen.unit(mount)
    if found and found["bytes"] > size:
        raise CasemateError(
            f"{host.name}: {image} has {found['bytes']} bytes, and {size} were asked for: logs lie in it",
            next="set logs.container_max to what it has, or more",
        )
    # Zeroes that the kernel writes into a file system in a file can give a little of the file back to the disk.
    whole = found and found["bytes"] == size and found["allocated"] >= size * 9 // 10
    runs = unit and (unit["active"], unit["enabled"], unit["needs_reload"]) == ("active", "enabled", False)
    if whole and runs and seen.directory(f"{place}.old") is None:
        host.noop(f"{place} is a file system of {size} bytes")
        return
    expects(*enabled_items(mount, f"/etc/systemd/system/{mount}"))
    has = f"{found['bytes']} bytes, {'mounted' if runs else 'not mounted'}\n" if found else None
    differs(place, has, f"{size} bytes, mounted\n")
    yield _MAKE.format(
        place=shlex.quote(place),
        image=shlex.quote(image),
        size=size,
        container=f"casemate-{component}",
        user=f"casemate-{component}",
        unit=shlex.quote(mount),
    )
