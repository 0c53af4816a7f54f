"""The answer to one request: who it is, or why not."""

from __future__ import annotations

import re
from dataclasses import dataclass

from service.gate.keys import digest, parse
from service.gate.register import Register, RegisterError

# A path is as the client sent it: in a model's name a slash is %2F.
_MODEL = r"GET /v1/models/(?:[A-Za-z0-9._:/-]|%2[Ff])+"
_SCOPE = re.compile(rf"(?:GET|POST) /v1/[A-Za-z0-9._/-]+|{_MODEL}|GET /metrics(?:/sentinel)?")


@dataclass(frozen=True)
class Decision:
    """204: enter as `key_id`; 401 and 403: refused for `reason`. `key_id` is only a claim unless the status is 204."""

    status: int
    key_id: str | None
    reason: str | None


def decide(register: Register, authorization: str | None, method: str, path: str) -> Decision:
    """Judge a request by its Authorization header and by the method and path that the client asked for."""
    if not authorization:
        return Decision(401, None, "no-key")
    scheme, _, key = authorization.partition(" ")
    claimed = parse(key.strip())
    if scheme.lower() != "bearer" or claimed is None:
        return Decision(401, None, "malformed-key")
    try:
        known = register.find(digest(key.strip()))
    except RegisterError:
        return Decision(401, claimed, "keys-unavailable")
    if known is None:
        return Decision(401, claimed, "unknown-key")
    if not _SCOPE.fullmatch(f"{method} {path}") or ".." in path:
        return Decision(403, known, "outside-scope")
    return Decision(204, known, None)
