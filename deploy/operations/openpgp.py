"""As much of OpenPGP (RFC 9580) as it takes to know which keys a file holds."""

import base64
import hashlib
import re
from collections.abc import Iterator

PUBLIC_KEY = 6
PARTS_OF_A_CERTIFICATE = {PUBLIC_KEY, 2, 13, 14, 17}
"""Public key, signature, user id, public subkey, user attribute (5): packets that a public key's file consists of."""

_ARMOR = re.compile(
    r"-----BEGIN PGP PUBLIC KEY BLOCK-----\r?\n(?:[A-Za-z]+: [^\n]*\n)*\r?\n(?P<body>[A-Za-z0-9+/=\s]+?)"
    r"(?:\r?\n=[A-Za-z0-9+/]{4})?\r?\n-----END PGP PUBLIC KEY BLOCK-----"
)


def dearmoured(key: bytes) -> bytes:
    """The packets of a binary file, or of a file with one armoured block; raises ValueError for anything else."""
    if key[:1] and key[0] & 0x80:
        return key
    blocks = list(_ARMOR.finditer(key.decode("ascii")))
    if len(blocks) != 1 or key.count(b"-----BEGIN") != 1:
        raise ValueError("one armoured block expected")
    return base64.b64decode("".join(blocks[0]["body"].split()), validate=True)


def armoured(data: bytes) -> str:
    """The text form of packets; the checksum line is optional (6.1) and left out."""
    encoded = base64.b64encode(data).decode()
    lines = "\n".join(encoded[index : index + 64] for index in range(0, len(encoded), 64))
    return f"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n{lines}\n-----END PGP PUBLIC KEY BLOCK-----\n"


def packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and body of each packet (4.2); raises ValueError for what is cut, empty or of unknown length."""
    at = 0
    while at < len(data):
        head = data[at]
        if not head & 0x80:
            raise ValueError("not a packet")
        new = bool(head & 0x40)
        tag = head & 0x3F if new else head >> 2 & 0xF
        length, at = _length(data, at + 1, head, new)
        body, at = data[at : at + length], at + length
        if at > len(data) or not length:
            raise ValueError("a cut packet")
        yield tag, body


def _length(data: bytes, at: int, head: int, new: bool) -> tuple[int, int]:
    """A packet's length, and where its body begins."""
    first = data[at] if at < len(data) else 0
    size = (1 if first < 192 else 2 if first < 224 else 5 if first == 255 else 0) if new else (1, 2, 4, 0)[head & 3]
    raw = data[at : at + size]
    if not size or len(raw) < size:
        raise ValueError("a packet of unknown length")
    if not new or size == 1:
        return int.from_bytes(raw, "big"), at + size
    return (((first - 192) << 8) + raw[1] + 192 if size == 2 else int.from_bytes(raw[1:], "big")), at + size


def fingerprint(body: bytes) -> str:
    """SHA-1 over a version 4 public key packet, as apt and gpg print it (5.5.4.2); "version N" for another version."""
    if body[:1] != b"\x04":
        return f"version {body[0]}"
    # SHA-1 is what the format prescribes; an impostor would need a second preimage, not a collision.
    return hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body).hexdigest().upper()  # noqa: S324
