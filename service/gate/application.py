"""Raw ASGI, since the check runs before every request: FastAPI costs five times the CPU of this."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from service.gate.decision import Decision, decide
from service.gate.refusals import Refusals
from service.gate.register import Register, RegisterError

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class Gate:
    """GET /verify for Nginx's auth_request: 204, 401 or 403. GET /healthz: 200, or 503 and why. All else: 404."""

    def __init__(self, register: Register, refusals: Refusals) -> None:
        self._register = register
        self._refusals = refusals

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        match scope["type"], scope.get("method"), scope.get("path"):
            case "http", "GET", "/verify":
                await _answer(send, *self._verify(scope["headers"]))
            case "http", "GET", "/healthz":
                await _answer(send, *self._health())
            case "http", _, _:
                await _answer(send, 404, [])

    def _verify(self, headers: Iterable[tuple[bytes, bytes]]) -> tuple[int, Headers]:
        given = {name: value.decode("latin-1") for name, value in headers}
        method, path = given.get(b"x-original-method", ""), given.get(b"x-original-uri", "")
        decision = decide(self._register, given.get(b"authorization"), method, path.partition("?")[0])
        if decision.status != 204:
            self._refusals.note(decision, given.get(b"x-real-ip", ""))
        return decision.status, _headers(decision)

    def _health(self) -> tuple[int, Headers, bytes]:
        kind = [(b"content-type", b"application/json")]
        try:
            body = {"status": "ok", "keys": len(self._register.ids())}
        except RegisterError as error:
            return 503, kind, json.dumps({"status": "failed", "reason": str(error)}).encode()
        return 200, kind, json.dumps(body).encode()


def _headers(decision: Decision) -> Headers:
    if decision.status == 204 and decision.key_id:
        name = decision.key_id.encode("ascii")
        return [(b"x-auth-principal", name), (b"x-auth-key-id", name)]
    refused = [(b"x-auth-reason", (decision.reason or "").encode("ascii"))]
    return [*refused, (b"www-authenticate", b'Bearer realm="casemate"')] if decision.status == 401 else refused


async def _answer(send: Send, status: int, headers: Headers, body: bytes = b"") -> None:
    length = [] if status == 204 else [(b"content-length", str(len(body)).encode("ascii"))]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})
