"""The engine's API: who has stopped the engine must not find it started by who watches."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from service.sentinel import docker
from service.sentinel.docker import Docker, DockerError


def test_an_engine_that_does_not_run_is_not_woken_by_being_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd listens on its socket meanwhile, and starts it for whoever connects."""
    path, running = tmp_path / "docker.sock", tmp_path / "docker.pid"
    monkeypatch.setattr(docker, "_LISTENED_FOR", os.path.realpath(path))
    monkeypatch.setattr(docker, "_RUNNING", str(running))
    woken: list[bytes] = []
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        def answer() -> None:
            connection, _ = listening.accept()
            with connection:
                woken.append(connection.recv(100))
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        for ask in (Docker(path).containers, Docker(path).events):
            with pytest.raises(DockerError, match="does not run"):
                ask()
        assert not woken
        running.write_text("1")
        assert Docker(path).containers() == []
        thread.join(10)
        assert woken[0].startswith(b"GET /containers/json")
