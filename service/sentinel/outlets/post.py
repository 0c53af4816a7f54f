"""One HTTP POST to a receiver that may be slow, hostile or gone."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from collections.abc import Mapping
from urllib.parse import urlsplit

from service.sentinel.outlets import tls
from service.sentinel.outlets.outlet import Refused

_PATIENCE = 10.0  # Seconds without a byte.
_WHOLE = 30.0  # Seconds for all of it: a receiver that sends a byte now and then ends here too.
_LATE = "no whole answer in time"
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
    late = threading.Event()
    clock = threading.Timer(whole, _cut, [connection, late])
    clock.daemon = True
    clock.start()
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST", target, body, {"Content-Type": "application/json", "Connection": "close", **headers})
        status = connection.getresponse().status
    except http.client.HTTPException as error:  # Its text may have the URL, or whatever the receiver sent.
        raise OSError(f"{where}: {_LATE if late.is_set() else type(error).__name__}") from None
    except OSError as error:
        raise OSError(f"{where}: {_LATE if late.is_set() else error or type(error).__name__}") from None
    finally:
        clock.cancel()
        connection.close()
    if status in _NEVER:
        raise Refused(f"{where} refuses the message (HTTP {status})")
    if not 200 <= status < 300:
        raise OSError(f"{where} answered HTTP {status}{', a redirect' if 300 <= status < 400 else ''}")


def _cut(connection: http.client.HTTPConnection, late: threading.Event) -> None:
    late.set()
    if connection.sock:
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)  # Beneath TLS, which another thread is reading.
