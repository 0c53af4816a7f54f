"""Is something at the other end? Each attempt says of every target whether it was reached, and how it ended.

Nothing is sent to an address that is not the host's own or a throwaway container's: whether a far address could be
reached is a look-up in the routing table, which a UDP `connect` makes without sending anything.
"""

import errno
import select
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from deploy.facts.probes.dns import PORT, framed, outcome, question

Attempt = dict[str, dict[str, Any]]
"""Target to {"reached": bool, "how": what happened}."""


def ended(reached: bool, how: str) -> dict[str, Any]:
    """One target's outcome."""
    return {"reached": reached, "how": how}


def named(number: int) -> str:
    """ENETUNREACH and the like."""
    return errno.errorcode.get(number, str(number))


def connected(number: int) -> dict[str, Any]:
    """What the error number of a connection means. A refusal is an answer: what was sent did arrive."""
    return ended(number in (0, errno.ECONNREFUSED), named(number) if number else "open")


def tcp(targets: dict[str, tuple[str, int] | None], seconds: float) -> Attempt:
    """Connections, all at once."""
    outcomes: Attempt = {}
    waiting: dict[int, tuple[socket.socket, str]] = {}
    poll = select.poll()
    for target, place in targets.items():
        if place is None:
            outcomes[target] = ended(False, "there is none")
            continue
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setblocking(False)
        number = connection.connect_ex((place[0], place[1]))
        if number == errno.EINPROGRESS:
            waiting[connection.fileno()] = (connection, target)
            poll.register(connection, select.POLLOUT)
        else:
            outcomes[target] = connected(number)
    deadline = time.monotonic() + seconds
    while waiting and time.monotonic() < deadline:
        for descriptor, _ in poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
            connection, target = waiting.pop(descriptor)
            poll.unregister(descriptor)
            outcomes[target] = connected(connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))
    return outcomes | {target: ended(False, "no answer") for _, target in waiting.values()}


def resolve(servers: list[str], name: str, seconds: float) -> Attempt:
    """The canary's name, asked of each server by UDP and by TCP."""
    questions = [(server, protocol) for server in servers for protocol in ("udp", "tcp")]
    with ThreadPoolExecutor(16) as pool:
        replies = pool.map(lambda each: asked(each[0], name, each[1], seconds), questions)
        return {f"{server} by {protocol}": reply for (server, protocol), reply in zip(questions, replies, strict=True)}


def asked(server: str, name: str, protocol: str, seconds: float) -> dict[str, Any]:
    """One question to one server."""
    kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
    query = question(name)
    try:
        with socket.socket(socket.AF_INET, kind) as connection:
            connection.settimeout(seconds)
            connection.connect((server, PORT))
            connection.sendall(query if protocol == "udp" else framed(query))
            answer = connection.recv(512)
            if protocol == "tcp":
                answer = answer[2:] or connection.recv(512)
    except OSError as error:
        return ended(False, named(error.errno) if error.errno else "no answer")
    return ended(*outcome(answer))


def ping(addresses: list[str], seconds: float) -> Attempt:
    """An ICMP echo to each address."""
    with ThreadPoolExecutor(16) as pool:
        return dict(zip(addresses, pool.map(lambda address: echoed(address, seconds), addresses), strict=True))


def echoed(address: str, seconds: float) -> dict[str, Any]:
    """One echo."""
    try:
        with icmp_socket() as connection:
            connection.settimeout(seconds)
            connection.sendto(struct.pack(">BBHHH", 8, 0, 0xF7FE, 0, 1), (address, 0))
            connection.recv(512)
    except OSError as error:
        return ended(False, named(error.errno) if error.errno else "no answer")
    return ended(True, "echoed")


def icmp_socket() -> socket.socket:
    """The unprivileged kind, else a raw one; raises OSError where neither may be had."""
    try:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    except OSError:
        return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)


def routes(addresses: list[str]) -> Attempt:
    """Is there a way to these addresses? Nothing is sent."""
    outcomes: Attempt = {}
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as connection:
                connection.connect((address, 9))
                outcomes[address] = ended(True, "there is a route")
        except OSError as error:
            outcomes[address] = ended(False, named(error.errno or 0))
    return outcomes
