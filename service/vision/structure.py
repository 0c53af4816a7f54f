"""What a picture's file is made of, counted before a library reads it: every part costs time, however little it holds.

200 kB of progressive JPEG may go 4,000 times over 25 million pixels, and 9 MB of PNG inflate 9,000 colour profiles.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

_MOST_SCANS = 100  # A progressive photograph has ten, an optimiser's a few dozen.
_MOST_PARTS = 500  # Segments of a JPEG; chunks of a PNG besides those that hold its pixels.
_MARKER = re.compile(rb"\xff([^\x00\xd0-\xd7\xff])")
_END, _SCAN = 0xD9, 0xDA


def too_complex(file: bytes) -> bool:
    """Whether it has more parts than a picture needs. False for what is no JPEG and no PNG."""
    if file.startswith(b"\x89PNG\r\n\x1a\n"):
        found = (name for name in _chunks(file) if name != b"IDAT")
        return len(list(itertools.islice(found, _MOST_PARTS + 1))) > _MOST_PARTS
    if file.startswith(b"\xff\xd8"):
        segments = list(itertools.islice(_segments(file), _MOST_PARTS + 1))
        return len(segments) > _MOST_PARTS or segments.count(_SCAN) > _MOST_SCANS
    return False


def _chunks(file: bytes) -> Iterator[bytes]:
    at = 8
    while name := file[at + 4 : at + 8]:
        yield name
        at += 12 + int.from_bytes(file[at : at + 4], "big")


def _segments(file: bytes) -> Iterator[int]:
    """Markers up to the end of the first picture; what a phone puts behind it is not read."""
    at = 2
    while (found := _MARKER.search(file, at)) and found[1][0] != _END:
        yield found[1][0]
        at = found.end() + max(int.from_bytes(file[found.end() : found.end() + 2], "big"), 2)
