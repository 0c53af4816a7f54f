"""What the attempts look for on the host: a port that listens, and a name that resolves."""

import socket
import struct
import threading
from collections.abc import Callable

ANSWER = "192.0.2.53"


def reply(query: bytes) -> bytes:
    """The answer to any question for an address."""
    header = query[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0)
    record = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 0, 4) + socket.inet_aton(ANSWER)
    end = query.index(b"\0", 12) + 5
    return header + query[12:end] + record


class Canary:
    """Listens on a free port and on the DNS port of some of the host's own addresses, as long as the program runs."""

    def __init__(self, addresses: list[str]) -> None:
        self.addresses = addresses
        opened = {address: self._tcp(address, 0, lambda _: b"") for address in addresses}
        self.ports = {f"{address}: a free port": (address, port) for address, port in opened.items()}
        for address in addresses:
            self._tcp(address, 53, lambda query: struct.pack(">H", len(reply(query[2:]))) + reply(query[2:]))
            self._udp(address)

    def _tcp(self, address: str, port: int, answer: Callable[[bytes], bytes]) -> int:
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((address, port))
        listening.listen()

        def serve() -> None:
            while True:
                connection, _ = listening.accept()
                with connection:
                    connection.settimeout(1)
                    try:
                        connection.sendall(answer(connection.recv(512)))
                    except (OSError, ValueError, IndexError):
                        continue

        threading.Thread(target=serve, daemon=True).start()
        return int(listening.getsockname()[1])

    def _udp(self, address: str) -> None:
        listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        listening.bind((address, 53))

        def serve() -> None:
            while True:
                query, sender = listening.recvfrom(512)
                try:
                    listening.sendto(reply(query), sender)
                except (OSError, ValueError, IndexError):
                    continue

        threading.Thread(target=serve, daemon=True).start()
