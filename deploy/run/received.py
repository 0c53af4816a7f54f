"""A log's lines as they come from a host (deploy/facts/chained/sent.py says in which form), each with its place."""

import json
import struct
import time
import zlib
from collections.abc import Callable, Iterable, Iterator

from deploy.errors import CasemateError
from service.ledger.chain import LONGEST_LINE

_HEAD = struct.Struct(">cI")
_LONGEST_PIECE = 1 << 18
_SAY_EVERY = 5.0
"""Seconds between two lines about one log."""


def received(chunks: Iterable[bytes], tell: Callable[[str], None]) -> Iterator[tuple[str, bytes]]:
    """(`file:line`, the line with its newline), oldest first; `tell` hears how far it is.

    Raises CasemateError when the end is missing or it is in no such form.
    """
    path, number, rest, got, told = "", 0, b"", 0, time.monotonic()
    try:
        for kind, content in _pieces(chunks):
            if kind != b"L" and rest:
                yield f"{path}:{number}", rest
                rest = b""
            if kind == b"E":
                return
            if kind == b"F":
                head = json.loads(content)
                path, number, total = str(head["path"]), int(head["line"]), int(head["bytes"])
                continue
            got += len(content)
            *whole, rest = _lines(rest + content)
            for line in whole:
                yield f"{path}:{number}", line
                number += 1
            if time.monotonic() - told >= _SAY_EVERY:
                told = time.monotonic()
                tell(f"{got / 1e6:.0f} of about {max(total, got) / 1e6:.0f} MB read")
    except (zlib.error, ValueError, KeyError, TypeError) as error:
        raise CasemateError(f"what came is no log ({error})", next="look at the host's python3") from error
    raise CasemateError("the log did not come to its end", next="the same command again")


def _lines(content: bytes) -> Iterator[bytes]:
    """Lines with their newlines, what is too long for one in pieces; and at last what has no end yet, empty or not."""
    at = 0
    while True:
        end = content.find(b"\n", at, at + LONGEST_LINE) + 1
        if not end and len(content) - at < LONGEST_LINE:
            break
        end = end or at + LONGEST_LINE
        yield content[at:end]
        at = end
    yield content[at:]


def _pieces(chunks: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    unpacker, have = zlib.decompressobj(), bytearray()
    for chunk in chunks:
        have += unpacker.decompress(chunk)
        while len(have) >= _HEAD.size:
            kind, length = _HEAD.unpack_from(have)
            if length > _LONGEST_PIECE or kind not in b"FLE":
                raise ValueError(f"a piece {kind!r} of {length} bytes")
            if len(have) < _HEAD.size + length:
                break
            yield kind, bytes(have[_HEAD.size : _HEAD.size + length])
            del have[: _HEAD.size + length]
