"""A TCP port on loopback that leads to a UNIX socket, for programs that know no other address."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def relay(path: Path) -> Iterator[str]:
    """`host:port`, for as long as the context lasts."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        thread = threading.Thread(target=_accept, args=(listener, path), daemon=True)
        thread.start()
        yield "{}:{}".format(*listener.getsockname())
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _accept(listener: socket.socket, path: Path) -> None:
    while True:
        try:
            outside, _ = listener.accept()
        except OSError:
            return
        outside.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )  # Else each answer waits 40 ms for an acknowledgement.
        inside = socket.socket(socket.AF_UNIX)
        inside.connect(str(path))
        for source, target in ((outside, inside), (inside, outside)):
            threading.Thread(target=_copy, args=(source, target), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
