"""A POST of JSON, signed, to whatever the operator has."""

from __future__ import annotations

import hmac
import json
import time
from pathlib import Path

from service.sentinel.outlets.message import Message
from service.sentinel.outlets.post import post


class Webhook:
    """Headers: X-Casemate-Timestamp (s, 1970) and, where there is a secret, X-Casemate-Signature: `sha256=` with the
    HMAC-SHA256 of `TIMESTAMP.BODY` under the content of the secret's file without white space at its ends.

    The same message may come twice (the sentinel was killed after it was sent): X-Casemate-Id tells.
    """

    name = "webhook"

    def __init__(self, url: str, secret_file: str | None = None, ca_file: str | None = None) -> None:
        self._url = url
        self._secret_file = secret_file
        self._ca_file = ca_file

    def deliver(self, message: Message) -> None:
        body = json.dumps(message.document(), separators=(",", ":")).encode("ascii")
        now = str(int(time.time()))
        headers = {
            "X-Casemate-Id": f"{message.host}-{message.first_seq}-{message.first:.6f}",
            "X-Casemate-Timestamp": now,
        }
        if self._secret_file:
            mac = hmac.digest(_secret(self._secret_file), f"{now}.".encode("ascii") + body, "sha256")
            headers["X-Casemate-Signature"] = f"sha256={mac.hex()}"
        post(self._url, body, headers, self._ca_file)

    def remind(self) -> None:
        """A webhook is told once."""


def _secret(file: str) -> bytes:
    secret = Path(file).read_bytes().strip()
    if not secret:
        raise OSError(f"{file} is empty; next: casemate deploy INVENTORY --only sentinel")
    return secret
