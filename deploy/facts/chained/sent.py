"""The program that sends a log's lines to whoever has its first key: packed, in pieces, from a known line on.

A piece is one byte for its kind, four for its length (big endian), and that many bytes: `F` a file begins ({"path",
"line": number of its first line that is sent, "bytes": about how many come in all files}), `L` lines of it as they are,
`E` the end. All pieces are one zlib stream.
"""

import json
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.ledger.chain import fingerprint
from service.ledger.head import observe
from service.ledger.verification import files, first_number, lines

_PIECE = 1 << 16
_PACKED = 5  # How a file that is packed grows when it is unpacked, about.


def main(path: str, after: dict[str, Any] | None) -> None:
    """Write the stream to standard output. `after` is an end {seq, prev}: the line before it is the first that is sent.

    The whole log, if there is no such line.
    """
    packer = zlib.compressobj(1)
    out = sys.stdout.buffer

    def send(kind: bytes, content: bytes) -> None:
        out.write(packer.compress(kind + struct.pack(">I", len(content)) + content))

    _send_all(Path(path), after, send)
    send(b"E", b"")
    out.write(packer.flush())
    out.flush()


def _send_all(log: Path, after: dict[str, Any] | None, send: Callable[[bytes, bytes], None]) -> None:
    _, size = observe(log)  # With no writer in between: a line that comes later is for the next time.
    every = files(log)
    at, begin = _place(every, log, size, after)
    sizes = [_about(path) for path in every[at:]]
    for index, path in enumerate(every[at:]):
        skipped = begin if index == 0 else 0
        head = {"path": str(path), "line": skipped + 1, "bytes": sum(sizes)}
        send(b"F", json.dumps(head).encode("ascii"))
        piece = b""
        for number, line in enumerate(lines(path, size if path == log else None)):
            if number < skipped:
                continue
            piece += line
            if len(piece) >= _PIECE:
                send(b"L", piece)
                piece = b""
        if piece:
            send(b"L", piece)


def _place(every: list[Path], log: Path, size: int, after: dict[str, Any] | None) -> tuple[int, int]:
    """Which file, and how many lines of it come before the line that `after` tells of; by its text, not its number."""
    if after is None or not after["seq"]:
        return 0, 0
    for index in reversed(range(len(every))):
        if first_number(every[index]) < after["seq"]:
            for number, line in enumerate(lines(every[index], size if every[index] == log else None)):
                if fingerprint(line.rstrip(b"\n")) == after["prev"]:
                    return index, number
    return 0, 0


def _about(path: Path) -> int:
    size = path.lstat().st_size
    return size * _PACKED if path.suffix == ".gz" else size
