"""The outermost layer: pure ASGI, so that a disconnect reaches the route, and nothing gets out without a line."""

from __future__ import annotations

import asyncio
import json
import re
import uuid
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.vision import faults
from service.vision.assets import ASSETS
from service.vision.audit import Auditor, AuditUnavailable
from service.vision.entry import Entry
from service.vision.metrics import Metrics

_UNWRITTEN = frozenset({"/healthz", "/readyz", "/metrics", *ASSETS})
"""Reading these leaves no line: probes, figures and the page's files are asked of no model, and would bury what is."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_CLIENT_GONE = 499
_UNAVAILABLE = "audit_unavailable"
_REFUSAL = {
    "error": {
        "message": "the audit log takes no line, so nothing is answered",
        "type": "server_error",
        "param": None,
        "code": _UNAVAILABLE,
    }
}


class Trail:
    """Gives each request its audit entry and its id, and lets nothing of an answer out before there is a line of it."""

    def __init__(self, app: ASGIApp, auditor: Auditor, metrics: Metrics) -> None:
        self._app = app
        self._auditor = auditor
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        entry = _entry(scope)
        entry.attach(scope)
        writes_none = scope["path"] in _UNWRITTEN and entry.method in ("GET", "HEAD")
        exit_ = _Exit(self._auditor, self._metrics, entry, send, writes_none)
        try:
            await self._app(scope, receive, exit_.send)
        except Exception as error:  # Answered already, with 500; uvicorn would log the message too.
            faults.tell(error)
        finally:
            await exit_.close()


class _Exit:
    """Holds back an answer's head until its first part is known: a whole answer goes out with its line written."""

    def __init__(self, auditor: Auditor, metrics: Metrics, entry: Entry, send: Send, writes_none: bool) -> None:
        self._auditor = auditor
        self._metrics = metrics
        self._entry = entry
        self._send = send
        self._writes_none = writes_none
        self._writing: asyncio.Task[bool] | None = None
        self._head: Message | None = None
        self._status = 0

    async def send(self, message: Message) -> None:
        """Raises AuditUnavailable in the middle of an answer that will not be given: its client has been told."""
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._head = message
            message["headers"] = [*message.get("headers", []), (b"x-request-id", self._entry.request.encode("ascii"))]
            return
        begins, ends = self._head is not None, not message.get("more_body")
        if ends and not await self._settle():
            message = self._refusal(message)
        elif begins and not ends and not await self._begin():
            self._status, self._entry.reason = 503, _UNAVAILABLE
            await self._settle()
            await self._pass(self._refusal({**message, "more_body": False}))
            raise AuditUnavailable
        await self._pass(message)

    async def _pass(self, message: Message) -> None:
        if self._head is not None:
            await self._send(self._head)
            self._head = None
        await self._send(message)

    async def close(self) -> None:
        """Whatever happened, the line is written; an answer that is not complete by now was cut by its client."""
        if not self._writing:
            self._status = _CLIENT_GONE
            self._entry.reason = self._entry.reason or "cancelled"
        await self._settle()

    async def _begin(self) -> bool:
        """Whether there is a line for who is about to be told a word. It is written to its end as the other one is."""
        return self._writes_none or await asyncio.shield(asyncio.create_task(self._write_begun()))

    async def _settle(self) -> bool:
        """Whether there is a line. It is written to its end, though the client leave while it waits for its turn."""
        if self._writes_none:
            return True
        if not self._writing:
            self._writing = asyncio.create_task(self._write())
        return await asyncio.shield(self._writing)

    async def _write_begun(self) -> bool:
        try:
            await self._auditor.begin(self._entry)
        except AuditUnavailable:
            return False
        return True

    async def _write(self) -> bool:
        try:
            await self._auditor.write(self._entry, self._status)
        except AuditUnavailable:
            self._entry.reason = _UNAVAILABLE
            return False
        finally:
            self._metrics.request(self._entry)
        return True

    def _refusal(self, message: Message) -> Message:
        body = json.dumps(_REFUSAL).encode("ascii")
        if self._head is None:  # The stream has begun; its last part is what can still be withheld.
            return {**message, "body": b"data: " + body + b"\n\n"}
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode("ascii"))]
        self._head = {**self._head, "status": 503, "headers": [*headers, (b"retry-after", b"5")]}
        return {**message, "body": body}


def _entry(scope: Scope) -> Entry:
    headers: dict[bytes, str] = {name: value.decode("latin-1") for name, value in scope["headers"]}

    def given(name: bytes) -> Any:
        return headers.get(name, "")[:128] or None

    asked = headers.get(b"x-request-id", "")
    return Entry(
        request=asked if _REQUEST_ID.fullmatch(asked) else uuid.uuid4().hex,
        principal=given(b"x-auth-principal"),
        key_id=given(b"x-auth-key-id"),
        client=given(b"x-real-ip"),
        method=scope["method"] if scope["method"] in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE") else "other",
    )
