"""Syslog: RFC 5424 messages over UDP, TCP or TLS; on streams each with its length before it (RFC 5425, RFC 6587)."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import ssl
import struct
import termios
import time
from datetime import datetime, timezone

from service.sentinel.outlets import tls
from service.sentinel.outlets.journald import PRIORITIES
from service.sentinel.outlets.message import Message

_FACILITY = 10  # Security and authorization, not for everybody.
_LONGEST = {"udp": 2048, "tcp": 8192, "tls": 8192}  # Bytes that receivers take without cutting, by their defaults.
_PATIENCE = 10.0  # Seconds for a connection, and for the receiver to acknowledge.


class Syslog:
    """Keeps its connection. `protocol`: udp, tcp or tls."""

    name = "syslog"

    def __init__(self, host: str, port: int, protocol: str, ca_file: str | None = None) -> None:
        self._address = (host, port)
        self._protocol = protocol
        self._ca_file = ca_file
        self._connection: socket.socket | None = None

    def deliver(self, message: Message) -> None:
        content = line(message, _LONGEST[self._protocol])
        if self._protocol == "udp":
            family, kind, number, _, address = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, kind, number) as out:
                out.sendto(content, address)
            return
        try:
            connection = self._connected()
            connection.sendall(b"%d %b" % (len(content), content))
            _wait_for_acknowledgement(connection)
        except BaseException:
            self._hang_up()
            raise

    def remind(self) -> None:
        """Syslog messages are told once."""

    def _connected(self) -> socket.socket:
        if self._connection and _hung_up(self._connection):
            self._hang_up()
        if self._connection is None:
            plain = socket.create_connection(self._address, _PATIENCE)
            try:
                secured = self._protocol == "tls"
                self._connection = (
                    tls.context(self._ca_file).wrap_socket(plain, server_hostname=self._address[0])
                    if secured
                    else plain
                )
            except BaseException:
                plain.close()
                raise
        return self._connection

    def _hang_up(self) -> None:
        if self._connection:
            self._connection.close()
        self._connection = None


def line(message: Message, longest: int) -> bytes:
    """RFC 5424, at most `longest` bytes; what is for programs stands in structured data."""
    at = datetime.fromtimestamp(message.first, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    told = {
        "severity": message.severity or "info",
        "set": message.set,
        "container": message.container,
        "count": message.count,
        "seq": message.first_seq,
    }
    data = "".join(f' {name}="{_escaped(str(value))}"' for name, value in told.items() if value is not None)
    start = f"<{_FACILITY * 8 + PRIORITIES[message.severity]}>1 {at} {_token(message.host, 255)} casemate-sentinel "
    start += f"{os.getpid()} {_token(message.event, 32)} [casemate@32473{data}] "
    text = message.text()
    content = start.encode("utf-8") + (b"" if text.isascii() else b"\xef\xbb\xbf") + text.encode("utf-8", "replace")
    return content[:longest].decode("utf-8", "ignore").encode("utf-8")  # Not within a character.


def _token(text: str, longest: int) -> str:
    return "".join(one if "!" <= one <= "~" else "_" for one in text)[:longest] or "-"


def _escaped(text: str) -> str:
    return "".join(f"\\{one}" if one in '"\\]' else one for one in text[:255])


def _hung_up(connection: socket.socket) -> bool:
    """Whether the receiver has closed: a first message into such a connection would be lost without an error."""
    connection.setblocking(False)
    try:
        return not connection.recv(1024)
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True
    finally:
        with contextlib.suppress(OSError):
            connection.settimeout(_PATIENCE)


def _wait_for_acknowledgement(connection: socket.socket) -> None:
    """Syslog has no answer; that the receiver's kernel has taken every byte is what can be known. Raises OSError."""
    end = time.monotonic() + _PATIENCE
    while struct.unpack("i", fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]:
        if time.monotonic() > end:
            raise TimeoutError("the receiver does not take what was sent")
        time.sleep(0.005)
