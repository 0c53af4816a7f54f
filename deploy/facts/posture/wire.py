"""Routes and listening sockets of a network namespace, from /proc/PID/net."""

import glob
import os
import socket

from deploy.facts.posture.read import Json, text, text_or_none

_REJECT, _LOCAL = 0x0200, 0x80000000  # route flags of <linux/route.h> and <linux/ipv6_route.h>


def address(word: str) -> str:
    """An address as /proc/net writes it: 32-bit words in the machine's byte order (ours are little-endian)."""
    packed = b"".join(bytes.fromhex(word[index : index + 8])[::-1] for index in range(0, len(word), 8))
    return socket.inet_ntop(socket.AF_INET if len(packed) == 4 else socket.AF_INET6, packed)


def parse_routes(routes: str) -> list[Json]:
    """/proc/PID/net/route as [{"interface", "destination": "0.0.0.0/0", "gateway"}]."""
    found = []
    for row in (line.split() for line in routes.splitlines()[1:]):
        if len(row) >= 8:
            destination = f"{address(row[1])}/{int(row[7], 16).bit_count()}"
            found.append({"interface": row[0], "destination": destination, "gateway": address(row[2])})
    return found


def parse_routes6(routes: str) -> list[Json]:
    """/proc/PID/net/ipv6_route likewise, without loopback, the host's own addresses and unreachable entries."""
    found = []
    for row in (line.split() for line in routes.splitlines()):
        if len(row) >= 10 and row[9] != "lo" and not int(row[8], 16) & (_REJECT | _LOCAL):
            destination, gateway = (socket.inet_ntop(socket.AF_INET6, bytes.fromhex(row[index])) for index in (0, 4))
            prefix = int(row[1], 16)
            found.append({"interface": row[9], "destination": f"{destination}/{prefix}", "gateway": gateway})
    return found


def parse_listeners(table: str, protocol: str) -> list[Json]:
    """Sockets that wait for somebody in a table of /proc/net: TCP in LISTEN, UDP bound and not connected."""
    found = []
    waiting = "0A" if protocol.startswith("tcp") else "07"
    for row in (line.split() for line in table.splitlines()[1:]):
        if len(row) >= 10 and row[3] == waiting and ":" in row[1]:
            host, port = row[1].split(":")
            found.append({"protocol": protocol, "address": address(host), "port": int(port, 16), "inode": row[9]})
    return found


def parse_unix(table: str) -> list[str]:
    """Paths of the UNIX sockets that accept connections, from /proc/PID/net/unix; abstract ones begin with @."""
    accepting = 0x10000
    rows = (line.split(None, 7) for line in table.splitlines()[1:])
    return sorted({row[7] for row in rows if len(row) == 8 and int(row[3], 16) & accepting})


def listeners_of(pid: int | str) -> list[Json]:
    """Sockets that wait for somebody in a process's network namespace."""
    found = []
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        found += parse_listeners(text_or_none(f"/proc/{pid}/net/{protocol}") or "", protocol)
    return found


def socket_owners(inodes: set[str]) -> Json:
    """Which process holds these sockets: {inode: {"pid", "process"}}."""
    owners: Json = {}
    for directory in glob.iglob("/proc/[0-9]*/fd"):
        if len(owners) == len(inodes):
            break
        pid = directory.split("/")[2]
        try:
            held = [os.readlink(entry.path) for entry in os.scandir(directory)]
        except OSError:
            continue
        for name in held:
            if name.startswith("socket:[") and name[8:-1] in inodes:
                owners.setdefault(name[8:-1], {"pid": int(pid), "process": text_or_none(f"/proc/{pid}/comm") or ""})
    return owners


def listeners() -> list[Json]:
    """Sockets of the host that wait for somebody: {"protocol", "address", "port", "pid", "process"}."""
    found = listeners_of("self")
    owners = socket_owners({row["inode"] for row in found})
    nobody = {"pid": None, "process": ""}
    return [{**without_inode(row), **owners.get(row["inode"], nobody)} for row in found]


def without_inode(row: Json) -> Json:
    """The kernel's number of a socket is good for finding its process, and for nothing else."""
    return {key: value for key, value in row.items() if key != "inode"}


def routes() -> list[Json]:
    """The host's own routes of both address families."""
    return parse_routes(text("/proc/net/route")) + parse_routes6(text_or_none("/proc/net/ipv6_route") or "")
