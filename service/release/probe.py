"""Is it ready, and does it answer right? Asked over the container's own socket, before the door leads there."""

import base64
import hashlib
import http.client
import json
from pathlib import Path
from typing import Any

from service.release.engine import UnixConnection
from service.release.errors import ReleaseError
from service.release.layout import Layout

_READY = {"vision.sock": "/readyz", "gate.sock": "/healthz"}
_HEADERS = {
    "Content-Type": "application/json",
    "X-Auth-Principal": "casemate-release",
    "X-Auth-Key-Id": "golden",
    "X-Real-IP": "127.0.0.1",
}


def ready(socket: Path) -> bool:
    """Does the service on this socket say that it can answer?"""
    try:
        return _request(socket, "GET", _READY[socket.name], None, 5)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def examine(layout: Layout, spec: dict[str, Any], socket: Path, seconds: float) -> None:
    """Ask what the signed configuration says; raise ReleaseError for anything but the known answer."""
    exam = spec["exam"]
    if exam["kind"] == "golden":
        _golden(layout, exam, socket, seconds)
    else:
        _closed(exam, socket)


def _golden(layout: Layout, exam: dict[str, Any], socket: Path, seconds: float) -> None:
    picture = layout.on_host(exam["picture"])
    content = picture.read_bytes()
    if hashlib.sha256(content).hexdigest() != exam["sha256"]:
        raise ReleaseError(f"{picture} is not the signed golden picture; deploy again")
    url = f"data:{exam['media_type']};base64,{base64.b64encode(content).decode()}"
    question = [{"type": "image_url", "image_url": {"url": url}}, {"type": "text", "text": exam["question"]}]
    body = {"model": exam["model"], "messages": [{"role": "user", "content": question}], "temperature": 0}
    try:
        status, raw = _request(socket, "POST", "/v1/chat/completions", json.dumps(body).encode(), seconds)
    except (OSError, http.client.HTTPException) as error:
        raise ReleaseError(f"the golden question got no answer within {seconds:.0f} s ({error})") from error
    if status != 200:
        raise ReleaseError(f"the golden question got status {status}: {raw[:300].decode('utf-8', 'replace')}")
    answer = str(json.loads(raw)["choices"][0]["message"]["content"])
    if exam["answer"].casefold() not in answer.casefold():
        raise ReleaseError(f"the golden question got {answer[:200]!r}, expected an answer with {exam['answer']!r}")


def _closed(exam: dict[str, Any], socket: Path) -> None:
    """A verifier that lets a stranger in is no verifier."""
    try:
        status, _ = _request(socket, "GET", exam["path"], None, 10)
    except (OSError, http.client.HTTPException) as error:
        raise ReleaseError(f"{exam['path']} did not answer ({error})") from error
    if status != exam["status"]:
        raise ReleaseError(f"{exam['path']} without a key got status {status}, expected {exam['status']}")


def _request(socket: Path, method: str, path: str, body: bytes | None, seconds: float) -> tuple[int, bytes]:
    connection = UnixConnection(socket, seconds)
    try:
        connection.request(method, path, body, _HEADERS)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()
