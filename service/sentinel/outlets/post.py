"""One HTTP POST to a receiver that may be slow, hostile or gone."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

from service.sentinel.outlets import tls
from service.sentinel.outlets.outlet import Refused

_PATIENCE = 10.0  # Seconds without a byte.
_WHOLE = 30.0  # Seconds for all of it: a receiver that sends a byte now and then ends here too.
_NEVER = frozenset({400, 413, 415, 422})  # What stays so with the same message; all else may be a matter of time.


def post(
    url: str, body: bytes, headers: Mapping[str, str], ca_file: str | None = None, *, whole: float = _WHOLE
) -> None:
    """Deliver JSON; no redirect is followed and no proxy is asked.

    Raises Refused, OSError; what they say has scheme, host and port of the URL alone: its path may be a secret.
    """
    parts = urlsplit(url)
    where = f"{parts.scheme}://{parts.hostname}:{parts.port or (443 if parts.scheme == 'https' else 80)}"
    connection = (
        http.client.HTTPSConnection(parts.hostname or "", parts.port, timeout=_PATIENCE, context=tls.context(ca_file))
        if parts.scheme == "https"
        else http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=_PATIENCE)
    )
    clock = threading.Timer(whole, _cut, [connection])
    clock.daemon = True
    clock.start()
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, {"Content-Type": "application/json", "Connection": "close", **headers})
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        told = "no whole answer in time" if clock.finished.is_set() else (str(error) or type(error).__name__)
        raise OSError(f"{where}: {told}") from None
    finally:
        clock.cancel()
        connection.close()
    if status in _NEVER:
        raise Refused(f"{where} refuses the message (HTTP {status})")
    if not 200 <= status < 300:
        raise OSError(f"{where} answered HTTP {status}{', a redirect' if 300 <= status < 400 else ''}")


def _cut(connection: http.client.HTTPConnection) -> None:
    if connection.sock:
        connection.sock.shutdown(socket.SHUT_RDWR)
