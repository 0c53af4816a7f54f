"""A stream to a command on the host: it arrives whole, and whatever ends early says why."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from deploy.errors import CasemateError
from deploy.operations import channel
from deploy.operations.channel import part_of, read, run


class LocalChannel:
    """As much of a paramiko channel as is used, over a local shell."""

    def exec_command(self, command: str) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, shell=True, stdin=pipe, stdout=pipe, stderr=pipe)

    def sendall(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def shutdown_write(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()

    def makefile_stderr(self, _: str) -> Iterator[str]:
        assert self.process.stderr
        return (line.decode() for line in self.process.stderr)

    def makefile(self, _: str) -> Any:
        return self.process.stdout

    def recv(self, size: int) -> bytes:
        assert self.process.stdout
        return self.process.stdout.read1(size)  # type: ignore[attr-defined]

    def recv_exit_status(self) -> int:
        return self.process.wait()


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(channel, "raw", lambda _, *command: " ".join(command))
    transport = SimpleNamespace(open_session=LocalChannel, set_keepalive=lambda _: None)
    client = SimpleNamespace(get_transport=lambda: transport)
    return SimpleNamespace(name="gpu1", connector=SimpleNamespace(client=client), transport=transport)


def test_a_stream_arrives_whole(host: Any, tmp_path: Path) -> None:
    content = bytes(range(256)) * 20_000
    (tmp_path / "layer").write_bytes(content)
    said = run(host, f"cat >{tmp_path}/got; echo done", stdin=part_of(tmp_path / "layer", 0, lambda _: None))
    assert (said.status, said.out.strip()) == (0, "done")
    assert (tmp_path / "got").read_bytes() == content


def test_a_transfer_goes_on_from_where_it_was(host: Any, tmp_path: Path) -> None:
    (tmp_path / "layer").write_bytes(b"0123456789")
    assert run(host, "cat", stdin=part_of(tmp_path / "layer", 4, lambda _: None)).out == "456789"


def test_progress_is_heard_and_the_last_sentence_kept(host: Any) -> None:
    heard: list[str] = []
    said = run(host, "echo one >&2; echo two >&2; exit 3", heard=heard.append)
    assert (said.status, said.err, heard) == (3, "two", ["one", "two"])


def test_a_command_that_ends_before_it_has_read_says_why(host: Any, tmp_path: Path) -> None:
    (tmp_path / "layer").write_bytes(bytes(10_000_000))
    said = run(host, "echo no room >&2; exit 1", stdin=part_of(tmp_path / "layer", 0, lambda _: None))
    assert (said.status, said.err) == (1, "no room")


@pytest.mark.parametrize("error", [OSError("Socket is closed"), EOFError()])
def test_a_broken_connection_is_one_sentence(host: Any, error: Exception) -> None:
    def open_session() -> Any:
        raise error

    host.transport.open_session = open_session
    with pytest.raises(CasemateError, match="gpu1: the SSH connection broke"):
        run(host, "true")


def test_a_connection_that_ends_without_a_status_is_broken(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LocalChannel, "recv_exit_status", lambda _: -1)
    with pytest.raises(CasemateError, match="connection broke"):
        run(host, "true")


def test_only_ssh_will_do() -> None:
    with pytest.raises(CasemateError, match="not reached over SSH"):
        run(SimpleNamespace(name="gpu1", connector=SimpleNamespace()), "true")


def test_what_comes_is_read_as_it_comes(host: Any) -> None:
    script = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 20000)"
    assert b"".join(read(host, "python3", "-", stdin=script)) == bytes(range(256)) * 20_000


def test_half_of_something_is_an_error(host: Any) -> None:
    coming = read(host, "cat; echo one >&2; echo no such file >&2; exit 3", stdin="half")
    assert next(coming) == b"half"
    with pytest.raises(CasemateError, match="no such file"):
        next(coming)
