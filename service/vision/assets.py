"""The files of the page, read once: what is not among them cannot be asked for."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

_PLACE = Path(__file__).with_name("page")
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class Asset:
    """A file as it is answered."""

    body: bytes
    media_type: str
    etag: str


def _read() -> dict[str, Asset]:
    assets = {}
    for file in sorted(_PLACE.iterdir()):
        body = file.read_bytes()
        path = "/" if file.name == "index.html" else f"/page/{file.name}"
        assets[path] = Asset(body, _TYPES[file.suffix], f'"{hashlib.sha256(body).hexdigest()[:32]}"')
    return assets


ASSETS = _read()
"""By path. They hold nothing secret: the door lets everybody have them."""
