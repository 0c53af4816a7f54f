"""A client of the API behind a host's door: HTTPS, verified, with nothing but the standard library."""

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from deploy.errors import CasemateError
from deploy.events import events
from deploy.settings.load import InventoryHost

_CONNECT_SECONDS = 10
_LONGEST_LINE = 1 << 20


@dataclass(frozen=True)
class Stream:
    """The id under which the door and the service log a request, and its answer's events, decoded, as they come."""

    request: str | None
    events: Iterator[Any]


@dataclass(frozen=True)
class Door:
    """Where the door is, the name that it must prove, and by which CA; None means those that this machine trusts."""

    host: str
    address: str
    port: int
    server_name: str
    ca: Path | None
    patience: float
    """The longest silence (s), before the answer and within it."""

    @contextlib.contextmanager
    def stream(self, path: str, document: Any, key: str) -> Iterator[Stream]:
        """Send JSON and read server-sent events; whoever leaves the context early hangs up, and the work for him ends.

        Raises CasemateError that says what the door or the service said, be it in the middle of the answer.
        """
        body = json.dumps(document).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        with self._exchange("POST", path, body, headers) as response:
            if response.status != 200:
                raise self._refused(response)
            if response.headers.get_content_type() != "text/event-stream":
                raise self._wrong("the answer is no stream of events")
            yield Stream(response.headers.get("X-Request-ID"), self._events(response))

    def get(self, path: str) -> int:
        """The HTTP status of a path that needs no key, such as /readyz; raises CasemateError when nobody answers."""
        with self._exchange("GET", path, None, {}) as response:
            return response.status

    @contextlib.contextmanager
    def _exchange(
        self, method: str, path: str, body: bytes | None, headers: dict[str, str]
    ) -> Iterator[http.client.HTTPResponse]:
        connection = http.client.HTTPConnection(self.address, self.port)
        connection.sock = self._connect()
        # A request that could not be sent whole leaves the connection half way; the answer is read from its socket.
        response = http.client.HTTPResponse(connection.sock, method=method)
        try:
            with self._in_words():
                # The door may refuse before it has all of the body (too large); its answer is there all the same.
                with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                    connection.request(method, path, body, {"Host": self._authority, **headers})
                response.begin()
            yield response
        finally:
            response.close()
            connection.close()

    def _events(self, response: http.client.HTTPResponse) -> Iterator[Any]:
        for data in events(iter(partial(self._line, response), b"")):
            if data == "[DONE]":
                return
            try:
                event = json.loads(data)
            except (ValueError, RecursionError) as error:
                raise self._wrong("the answer is not JSON") from error
            if isinstance(event, dict) and "error" in event:
                raise CasemateError(
                    f"{self.host}: the answer broke off: {_said(event)}", next="the same command in a little while"
                )
            yield event
        raise self._wrong("the answer broke off before its end")

    def _line(self, response: http.client.HTTPResponse) -> bytes:
        with self._in_words():
            return response.readline(_LONGEST_LINE)

    @contextlib.contextmanager
    def _in_words(self) -> Iterator[None]:
        try:
            yield
        except TimeoutError as error:
            raise self._wrong(f"no answer within {self.patience:.0f} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise self._wrong(f"broke off: {error}") from error

    def _wrong(self, what: str) -> CasemateError:
        return CasemateError(f"{self.host}: {what}", next=f"casemate status INVENTORY --limit {self.host}")

    @property
    def _authority(self) -> str:
        return self.server_name if self.port == 443 else f"{self.server_name}:{self.port}"

    def _connect(self) -> ssl.SSLSocket:
        where = f"{self.address}:{self.port}"
        try:
            context = ssl.create_default_context(cafile=str(self.ca) if self.ca else None)
        except (OSError, ssl.SSLError) as error:
            raise CasemateError(
                f"{self.ca}: not a CA certificate: {error}", next="deploy once, which makes it, or correct proxy.ca"
            ) from error
        try:
            plain = socket.create_connection((self.address, self.port), timeout=_CONNECT_SECONDS)
        except OSError as error:
            raise self._wrong(f"nobody answers at {where} ({error})") from error
        try:
            secured = context.wrap_socket(plain, server_hostname=self.server_name)
        except ssl.SSLCertVerificationError as error:
            plain.close()
            raise CasemateError(
                f"{self.host}: {where} does not prove to be {self.server_name}: {error.verify_message}",
                next=f"see that {self.ca or 'the system'} is the CA that the host was deployed with; no key was sent",
            ) from error
        except OSError as error:
            plain.close()
            raise CasemateError(
                f"{self.host}: {where} refused TLS for {self.server_name}: {error}",
                next=f"see whether proxy.server_name was deployed: casemate plan INVENTORY --limit {self.host}",
            ) from error
        secured.settimeout(self.patience)
        return secured

    def _refused(self, response: http.client.HTTPResponse) -> CasemateError:
        with self._in_words():
            content = response.read()
        try:
            said = _said(json.loads(content))
        except ValueError:
            said = _said(None)
        wait = response.headers.get("Retry-After", "")
        again = f"the same command in {wait} s" if wait.isdecimal() else "the same command in a little while"
        hints = {
            401: "casemate key new ID, put its digest into gate.keys, deploy, and set CASEMATE_API_KEY",
            413: "send a smaller picture, or raise proxy.max_body and vision.max_body_bytes",
            429: again,
            503: f"{again}; if it stays so: casemate status INVENTORY --limit {self.host}",
        }
        return CasemateError(
            f"{self.host}: {said} (HTTP {response.status})",
            next=hints.get(response.status, "correct the request, then the same command again"),
        )


def _said(answer: Any) -> str:
    """The sentence in an error of the API."""
    try:
        return str(answer["error"]["message"])
    except (KeyError, TypeError):
        return "no reason given"


def door_of(host: InventoryHost, patience: float) -> Door:
    """The door of a host, as its settings say; `patience` in seconds."""
    proxy = host.settings.proxy
    address, _, port = (proxy.address or f"{host.address}:{proxy.port}").rpartition(":")
    ca = None if proxy.certificate else proxy.ca / "ca.pem"
    return Door(host.name, address, int(port), proxy.server_name, ca, patience)
