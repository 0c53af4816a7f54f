"""What the attempts look for on the host: a port that listens, and a name that resolves."""

import errno
import socket
import threading
from collections.abc import Callable

from deploy.facts.probes.dns import PORT, framed, reply


class Canary:
    """Listens on a free port and on the DNS port of some of the host's own addresses, as long as the program runs.

    `ports` are {name: (address, port)}; `resolvers` the addresses whose DNS port was free. Somebody else's resolver is
    left alone: it might ask others, and that it listens is found by its TCP port.
    """

    def __init__(self, addresses: list[str]) -> None:
        opened = {address: tcp(address, 0, lambda _: b"") for address in addresses}
        self.ports = {f"{address}: a free port": (address, port) for address, port in opened.items()}
        self.resolvers = [address for address in addresses if resolver(address)]


def resolver(address: str) -> bool:
    """Answer questions for names there; False where somebody else does."""
    try:
        udp(address, PORT, reply)
        tcp(address, PORT, lambda query: framed(reply(query[2:])))
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        return False
    return True


def tcp(address: str, port: int, answer: Callable[[bytes], bytes]) -> int:
    """Answer whoever connects; the port."""
    listening = socket.create_server((address, port))

    def serve() -> None:
        while True:
            connection, _ = listening.accept()
            with connection:
                connection.settimeout(1)
                try:
                    connection.sendall(answer(connection.recv(512)))
                except (OSError, ValueError):
                    continue

    threading.Thread(target=serve, daemon=True).start()
    return int(listening.getsockname()[1])


def udp(address: str, port: int, answer: Callable[[bytes], bytes]) -> None:
    """Answer every datagram."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind((address, port))

    def serve() -> None:
        while True:
            query, sender = listening.recvfrom(512)
            try:
                listening.sendto(answer(query), sender)
            except (OSError, ValueError):
                continue

    threading.Thread(target=serve, daemon=True).start()
