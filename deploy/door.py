"""A client of the API behind a host's door: HTTPS, verified, with nothing but the standard library."""

import contextlib
import http.client
import json
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.errors import CasemateError
from deploy.settings.load import InventoryHost

_CONNECT_SECONDS = 10


@dataclass(frozen=True)
class Door:
    """Where the door is, the name that it must prove, and by which CA; None means those that this machine trusts."""

    host: str
    address: str
    port: int
    server_name: str
    ca: Path | None
    patience: float
    """The longest silence (s) before the answer."""

    def post(self, path: str, document: Any, key: str) -> Any:
        """Send JSON and return the answer's; raises CasemateError that says what the door or the service said."""
        body = json.dumps(document).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
        status, answer = self._exchange("POST", path, body, headers)
        if status != 200:
            raise self._refused(status, answer)
        try:
            return json.loads(answer)
        except ValueError as error:
            raise CasemateError(
                f"{self.host}: the answer is not JSON", next=f"casemate status INVENTORY --limit {self.host}"
            ) from error

    def get(self, path: str) -> int:
        """The HTTP status of a path that needs no key, such as /readyz; raises CasemateError when nobody answers."""
        status, _ = self._exchange("GET", path, None, {})
        return status

    def _exchange(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection(self.address, self.port)
        connection.sock = self._connect()
        try:
            # The door may refuse before it has all of the body (too large); its answer is there all the same.
            with contextlib.suppress(BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
                connection.request(method, path, body, {"Host": self._authority, **headers})
            # A request that could not be sent whole leaves the connection half way; the answer is read from its socket.
            response = http.client.HTTPResponse(connection.sock, method=method)
            response.begin()
            return response.status, response.read()
        except (OSError, http.client.HTTPException) as error:
            why = (
                f"no answer within {self.patience:.0f} s" if isinstance(error, TimeoutError) else f"broke off: {error}"
            )
            raise CasemateError(f"{self.host}: {why}", next=f"casemate status INVENTORY --limit {self.host}") from error
        finally:
            connection.close()

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
            raise CasemateError(
                f"{self.host}: nobody answers at {where} ({error})",
                next=f"casemate status INVENTORY --limit {self.host}",
            ) from error
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

    def _refused(self, status: int, answer: bytes) -> CasemateError:
        try:
            said = str(json.loads(answer)["error"]["message"])
        except (ValueError, KeyError, TypeError):
            said = "no reason given"
        hints = {
            401: "casemate key new ID, put its digest into gate.keys, deploy, and set CASEMATE_API_KEY",
            413: "send a smaller picture, or raise proxy.max_body",
            429: "the same command in a little while",
            503: f"the same command in a little while; if it stays so: casemate status INVENTORY --limit {self.host}",
        }
        return CasemateError(
            f"{self.host}: {said} (HTTP {status})",
            next=hints.get(status, "correct the request, then the same command again"),
        )


def door_of(host: InventoryHost, patience: float) -> Door:
    """The door of a host, as its settings say; `patience` in seconds."""
    proxy = host.settings.proxy
    address, _, port = (proxy.address or f"{host.address}:{proxy.port}").rpartition(":")
    ca = None if proxy.certificate else proxy.ca / "ca.pem"
    return Door(host.name, address, int(port), proxy.server_name, ca, patience)
