"""What an attacker tries, alone: `python3 -c "$(cat attempts.py)" '{"tries": 1, "targets": [["tcp", "::1", 22]]}'`.

Prints the targets that answered, as JSON. Whatever comes back counts, a refusal too: it was let through. Standard
library only: it runs in a container that has nothing but the host's /usr, or on a neighbour.
"""

import json
import random
import socket
import struct
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

SECONDS = 1.0


def tcp(address: str, port: int) -> bool:
    """A connection is opened or refused."""
    try:
        socket.create_connection((address, port), SECONDS).close()
    except ConnectionRefusedError:
        return True
    return True


def udp(address: str, port: int) -> bool:
    """A datagram is answered, from whichever address: a host with several answers by the nearest."""
    with socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.settimeout(SECONDS)
        wire.sendto(b"knock", socket.getaddrinfo(address, port, type=socket.SOCK_DGRAM)[0][4])
        return bool(wire.recvfrom(64))


def ping(address: str, _: int) -> bool:
    """An ICMP echo comes back, by a raw socket: the attacker is root in its container."""
    six = ":" in address
    kind, protocol = (128, socket.IPPROTO_ICMPV6) if six else (8, socket.IPPROTO_ICMP)
    family = socket.AF_INET6 if six else socket.AF_INET
    with socket.socket(family, socket.SOCK_RAW, protocol) as wire:
        wire.settimeout(SECONDS)
        if six:
            wire.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 0)  # its own answer is no answer
        packet = struct.pack("!BBHHH", kind, 0, 0, random.getrandbits(16), 1)
        total = sum(struct.unpack("!4H", packet))
        total = (total & 0xFFFF) + (total >> 16)
        wire.sendto(packet[:2] + struct.pack("!H", ~total & 0xFFFF) + packet[4:], socket.getaddrinfo(address, 0)[0][4])
        while True:
            answer, _from = wire.recvfrom(256)
            body = answer if six else answer[(answer[0] & 15) * 4 :]
            if body[0] == (129 if six else 0) and body[4:6] == packet[4:6]:
                return True


def name(host: str, _: int) -> bool:
    """A name is asked for; whether anybody heard is for the canary to say."""
    try:
        socket.getaddrinfo(host, 80)
    except socket.gaierror:
        return False
    return True


KINDS = {"tcp": tcp, "udp": udp, "ping": ping, "name": name}


def attempt(target: list, tries: int) -> bool:  # type: ignore[type-arg]
    """Did anything come back, in so many tries?"""
    kind, address, port = target
    for _ in range(tries):
        try:
            return KINDS[kind](address, port)
        except OSError:
            continue
    return False


def await_ipv6() -> None:
    """Until eth0 has an address that nobody else has turned out to have: its flags say "tentative" before."""
    for _ in range(300):
        with open("/proc/net/if_inet6", encoding="ascii") as table:
            rows = [line.split() for line in table]
        if any(row[5] == "eth0" and not int(row[4], 16) & 0x40 for row in rows):
            return
        time.sleep(0.1)


def main(plan: dict) -> None:  # type: ignore[type-arg]
    """Take the way that was asked for, then try all targets at once."""
    if plan.get("ipv6"):
        await_ipv6()
    if plan.get("gateway"):
        subprocess.run(["/usr/sbin/ip", "route", "replace", "default", "via", plan["gateway"]], check=True)
    with ThreadPoolExecutor(32) as pool:
        answered = list(pool.map(attempt, plan["targets"], repeat(plan["tries"])))
    print(json.dumps([target for target, did in zip(plan["targets"], answered) if did]))  # noqa: B905


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
