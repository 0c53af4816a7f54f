"""A command on the host with a stream in or out: what pyinfra's own way, which sends text lines, cannot do."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from paramiko import SSHException

from deploy.errors import CasemateError
from deploy.facts.shell import raw

_CHUNK = 1 << 20
_SAY_EVERY = 5.0
"""Seconds between two lines about one transfer."""


@dataclass(frozen=True)
class Said:
    """How a command ended; `err` is its last sentence on standard error."""

    status: int
    out: str
    err: str


def run(
    host: Any, *command: str, stdin: Iterator[bytes] | None = None, heard: Callable[[str], None] | None = None
) -> Said:
    """Run a command as root over the connection that is there. `heard` gets its standard error line by line.

    Raises CasemateError when the connection breaks or was never an SSH connection.
    """
    client = getattr(host.connector, "client", None)
    if client is None:
        raise CasemateError(f"{host.name} is not reached over SSH", next="give the host an ssh_hostname, not @local")
    try:
        transport = client.get_transport()
        transport.set_keepalive(30)  # a model may load for minutes without a word
        channel = transport.open_session()
        channel.exec_command(raw(host, *command))
        # A command that ends early closes its input; why it did is in what it said.
        with contextlib.suppress(OSError):
            for chunk in stdin or ():
                channel.sendall(chunk)
            channel.shutdown_write()
        err = ""
        for line in channel.makefile_stderr("r"):
            err = line.strip() or err
            if heard and line.strip():
                heard(line.strip())
        out = channel.makefile("r").read()
        status = channel.recv_exit_status()
    except (OSError, SSHException, EOFError) as error:
        raise broken(host, error) from error
    if status == -1:  # the connection went before the status came
        raise broken(host, EOFError())
    return Said(status, out.decode() if isinstance(out, bytes) else out, err)


def read(host: Any, *command: str, stdin: str) -> Iterator[bytes]:
    """A command's standard output as it comes, for what is too much or no text; it is told `stdin` first.

    Raises CasemateError when the command fails or the connection breaks: what came until then is not the whole.
    """
    try:
        transport = host.connector.client.get_transport()
        transport.set_keepalive(30)
        channel = transport.open_session()
        channel.exec_command(raw(host, *command))
        with contextlib.suppress(OSError):
            channel.sendall(stdin.encode())
            channel.shutdown_write()
        while chunk := channel.recv(_CHUNK):
            yield chunk
        err = ""
        for line in channel.makefile_stderr("r"):
            err = line.strip() or err
        status = channel.recv_exit_status()
    except (OSError, SSHException, EOFError) as error:
        raise broken(host, error) from error
    if status == -1:
        raise broken(host, EOFError())
    if status:
        raise CasemateError(f"{host.name}: {err or f'{command[0]} ended with status {status}'}", next="look there")


def broken(host: Any, error: Exception) -> CasemateError:
    """What an operator reads when the network goes away."""
    return CasemateError(
        f"{host.name}: the SSH connection broke: {error or type(error).__name__}",
        next="the same command again; it goes on where it was",
    )


def part_of(path: Path, offset: int, tell: Callable[[str], None]) -> Iterator[bytes]:
    """A file from `offset` on, telling how far it is."""
    size, sent, said = path.stat().st_size, offset, time.monotonic()
    with path.open("rb") as file:
        file.seek(offset, os.SEEK_SET)
        while chunk := file.read(_CHUNK):
            yield chunk
            sent += len(chunk)
            if time.monotonic() - said >= _SAY_EVERY:
                said = time.monotonic()
                tell(f"{sent / 1e6:.0f} of {size / 1e6:.0f} MB sent")
