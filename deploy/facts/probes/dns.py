"""As much of DNS as a canary needs: one question for an address, and one answer."""

import socket
import struct

PORT = 53
ANSWER = "192.0.2.53"
_ADDRESS, _INTERNET = 1, 1


def question(name: str) -> bytes:
    """A query for the address of a name."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    header = struct.pack(">HHHHHH", 0x5AFE, 0x0100, 1, 0, 0, 0)
    return header + labels + b"\0" + struct.pack(">HH", _ADDRESS, _INTERNET)


def reply(query: bytes) -> bytes:
    """The canary's answer to any query. Raises ValueError for what is none."""
    header = query[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0)
    record = b"\xc0\x0c" + struct.pack(">HHIH", _ADDRESS, _INTERNET, 0, 4) + socket.inet_aton(ANSWER)
    end = query.index(b"\0", 12) + 5
    return header + query[12:end] + record


def outcome(answer: bytes) -> tuple[bool, str]:
    """Did somebody resolve it, and what was said? An error is the answer of a resolver that could not."""
    if len(answer) < 12:
        return False, "no answer"
    code, records = answer[3] & 0x0F, int.from_bytes(answer[6:8], "big")
    return (True, "resolved") if code == 0 and records else (False, f"DNS error {code}")


def framed(message: bytes) -> bytes:
    """As it goes over TCP."""
    return struct.pack(">H", len(message)) + message
