"""The form of an API key: `csm_<id>_<43 characters of randomness><6 of checksum>`. Standard library only.

The checksum shows a mistyped or cut key before anything is looked up, and a scanner for leaked keys knows one for sure.
"""

from __future__ import annotations

import hashlib
import re
import secrets

_ID = r"[a-z0-9][a-z0-9-]{1,30}"
_KEY = re.compile(rf"csm_({_ID})_[A-Za-z0-9_-]{{43}}[0-9a-f]{{6}}")


def new_key(key_id: str) -> str:
    """Make a key. Raises ValueError for what is no key id."""
    if not is_key_id(key_id):
        raise ValueError(f"key id: got {key_id!r}, expected 2 to 31 lower-case letters, digits or hyphens, none first")
    body = f"csm_{key_id}_{secrets.token_urlsafe(32)}"
    return body + _checksum(body)


def parse(key: str) -> str | None:
    """The id in a well-formed key, or None if the form or the checksum is wrong."""
    match = _KEY.fullmatch(key)
    return match[1] if match and _checksum(key[:-6]) == key[-6:] else None


def digest(key: str) -> str:
    """What is stored of a key: SHA-256 of all of it, in hexadecimal; 256 bits of randomness need no slow hash."""
    return hashlib.sha256(key.encode("ascii")).hexdigest()


def is_key_id(text: str) -> bool:
    """Whether a key may have this id: 2 to 31 lower-case letters, digits and hyphens, no hyphen first."""
    return re.fullmatch(_ID, text) is not None


def is_digest(text: str) -> bool:
    """Whether this can be what `digest` returns."""
    return re.fullmatch(r"[0-9a-f]{64}", text) is not None


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode("ascii")).hexdigest()[:6]
