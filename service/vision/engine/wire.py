"""Messages between the service and an engine in a process of its own: pickled tuples with their length before them.

The pixels of pictures follow as they are, each with its length: within what is pickled they would be copied twice.

Both ends are ours and run as the same user; nothing that a client or a checkpoint brought is ever unpickled.
"""

from __future__ import annotations

import pickle
import socket
import struct
import threading
from typing import Any

import numpy as np

from service.vision.engine.mailbox import Event
from service.vision.engine.protocol import Done, JobFailed, Text

HEAD = struct.Struct("<QQ")
"""Bytes that are pickled, and how many buffers follow."""
_LENGTH = struct.Struct("<Q")


class Sender:
    """Sends whole messages, from any thread; waits while the other end has too much to read."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._turn = threading.Lock()

    def close(self) -> None:
        """The other end has gone."""
        self._connection.close()

    def send(self, *message: Any) -> None:
        """Raises OSError when the other end has gone."""
        buffers: list[pickle.PickleBuffer] = []
        content = pickle.dumps(message, pickle.HIGHEST_PROTOCOL, buffer_callback=buffers.append)
        beside = [one.raw() for one in buffers]
        with self._turn:
            self._connection.sendall(HEAD.pack(len(content), len(beside)) + content)
            for one in beside:
                self._connection.sendall(_LENGTH.pack(one.nbytes))
                self._connection.sendall(one)


def receive(connection: socket.socket) -> tuple[Any, ...]:
    """The next message, waited for. Raises EOFError when the other end has gone."""
    length, buffers = HEAD.unpack(_exactly(connection, HEAD.size))
    content = _exactly(connection, length)
    beside = [_exactly(connection, *_LENGTH.unpack(_exactly(connection, _LENGTH.size))) for _ in range(buffers)]
    message: tuple[Any, ...] = pickle.loads(content, buffers=beside)  # noqa: S301  of ours, see above
    return message


def _exactly(connection: socket.socket, size: int) -> memoryview:
    content = np.empty(size, np.uint8).data  # A bytearray would be filled with zeros first, in Python's lock.
    at = 0
    while at < size:
        got = connection.recv_into(content[at:])
        if not got:
            raise EOFError
        at += got
    return content


def plain(event: Event) -> tuple[Any, ...]:
    """An event as a tuple that is quickly packed."""
    if isinstance(event, Text):
        return ("", event.text, event.tokens, event.at)
    if isinstance(event, Done):
        return ("done", event.reason, event.tokens, event.at)
    return ("failed", str(event), event.code, event.again)


def event_of(told: tuple[Any, ...]) -> Event:
    """What `plain` made a tuple of."""
    kind, *rest = told
    if kind == "":
        return Text(*rest)
    return Done(*rest) if kind == "done" else JobFailed(*rest)
