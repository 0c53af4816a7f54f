"""What the first process of a container may do, from the kernel's own files: what holds, not what was asked for."""

import os
import re
from pathlib import PurePosixPath

from deploy.facts.posture.limits import cgroup, parse_limits
from deploy.facts.posture.mounts import parse_mounts
from deploy.facts.posture.read import Json, pairs, reason, text, text_or_none
from deploy.facts.posture.wire import listeners_of, parse_routes, parse_routes6, parse_unix, without_inode
from deploy.host_paths import HOST_LOGS

_STATUS = re.compile(r"Name|[UG]id|Groups|Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp(_filters)?|Threads")
_NAMESPACES = ("net", "pid", "ipc", "mnt", "uts", "user", "cgroup")


def parse_status(status: str) -> dict[str, str]:
    """The lines of /proc/PID/status that say what a process may do, as they stand there."""
    return {key: " ".join(value.split()) for key, value in pairs(status.splitlines(), ":") if _STATUS.fullmatch(key)}


def same_namespaces(pid: int) -> Json:
    """For each kind of namespace whether the process shares it with this program, which runs in the host's own."""
    return {name: os.readlink(f"/proc/{pid}/ns/{name}") == os.readlink(f"/proc/self/ns/{name}") for name in _NAMESPACES}


def nameservers(path: str) -> list[str] | None:
    """Name servers of a resolver configuration; None when it cannot be read."""
    content = text_or_none(path) if path else None
    return None if content is None else re.findall(r"^nameserver\s+(\S+)", content, re.MULTILINE)


def log_room(pid: int, container: Json) -> int | None:
    """Bytes of the file system that a container's log directory lies on; None when it has none of the host's."""
    for mount in container.get("Mounts") or ():
        if PurePosixPath(mount["Source"]).parent == HOST_LOGS:
            status = os.statvfs(f"/proc/{pid}/root{mount['Destination']}")
            return status.f_blocks * status.f_frsize
    return None


def process(pid: int, container: Json) -> Json:
    """One container's first process. Raises OSError, ValueError or LookupError when the kernel does not say."""
    at = f"/proc/{pid}"
    addresses6 = (text_or_none(f"{at}/net/if_inet6") or "").splitlines()
    return {
        "pid": pid,
        "status": parse_status(text(f"{at}/status")),
        "mounts": parse_mounts(text(f"{at}/mountinfo")),
        "log_room": log_room(pid, container),
        "cgroup": cgroup(pid),
        "interfaces": sorted(line.split(":")[0].strip() for line in text(f"{at}/net/dev").splitlines()[2:]),
        "routes": parse_routes(text(f"{at}/net/route")) + parse_routes6(text_or_none(f"{at}/net/ipv6_route") or ""),
        "ipv6_interfaces": sorted({line.split()[-1] for line in addresses6 if line.split()}),
        "listeners": [without_inode(row) for row in listeners_of(pid)],
        "unix_listeners": parse_unix(text_or_none(f"{at}/net/unix") or ""),
        "limits": parse_limits(text(f"{at}/limits")),
        "namespaces": same_namespaces(pid),
        "apparmor": text_or_none(f"{at}/attr/apparmor/current") or text_or_none(f"{at}/attr/current"),
        "nameservers": nameservers(container.get("ResolvConfPath") or ""),
    }


def processes(docker: Json | None) -> Json:
    """The first process of every running container by the container's name; {"pid", "error"} where it was not readable.

    Raises RuntimeError when the engine did not say which containers run.
    """
    if docker is None or (docker["installed"] and not docker["reachable"]):
        raise RuntimeError(f"the engine did not answer: {(docker or {}).get('error')}")
    found: Json = {}
    for name, container in docker.get("containers", {}).items():
        pid = (container.get("State") or {}).get("Pid") or 0
        if pid > 0:
            try:
                found[name] = process(pid, container)
            except (OSError, ValueError, LookupError) as error:
                found[name] = {"pid": pid, "error": reason(error)}
    return found
