"""Large pictures, taken out of a request's body before it is read as JSON.

A JSON parser makes a text of each of them first, and holds the interpreter's lock for milliseconds meanwhile: with 32
of them the event loop stood still for up to 67 ms. What is taken out is copied nowhere until it is decoded.
"""

from __future__ import annotations

import re
import secrets

DATA_URL = "data:image/(?:jpeg|jpg|png|webp);base64,"
"""How a picture's URL begins: a regular expression."""
_HEAD = re.compile(DATA_URL.encode("ascii"))
_LARGE = 1 << 16
"""Bytes; smaller ones are not worth it."""
_BEGINNINGS = 1000
"""Of data URLs that are looked at: nothing but beginnings would keep this busy for long."""


class Attachment(str):
    """The beginning of a data URL, `data:image/png;base64,`; `content` is what follows it, in the body where it is."""

    content: memoryview


def detach(body: bytes | bytearray) -> tuple[bytearray, dict[str, Attachment]]:
    """The body with a name in place of each large picture, and whose names they are.

    Names are drawn by chance, so that no request can hold one. Only a text without a backslash is taken out: the rest
    means what it meant, but a name may now stand where there should be no picture. What would be no text in JSON, a
    line end in the middle, is seen later, as what is no base64.
    """
    rest, found = bytearray(), dict[str, Attachment]()
    whole = memoryview(body)
    kept = at = 0
    for _ in range(_BEGINNINGS):
        quote = body.find(b'"data:image/', at)
        if quote < 0:
            break
        at = quote + 1
        head = _HEAD.match(body, at)
        if head is None or body[quote - 1 : quote] == b"\\":
            continue
        end = body.find(b'"', head.end())
        if end - head.end() < _LARGE or body.find(b"\\", head.end(), end) >= 0:
            continue
        attachment = Attachment(head[0].decode("ascii"))
        attachment.content = whole[head.end() : end]
        name = secrets.token_hex(16)
        found[name] = attachment
        rest += whole[kept:at]
        rest += name.encode("ascii")
        kept = at = end
    rest += whole[kept:]
    return rest, found
