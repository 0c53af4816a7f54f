"""The control socket."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.sentinel.control import Control, ControlError, ask


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        if asked.get("do") != "echo":
            raise ControlError("got that, expected echo")
        return {"told": asked}

    path = tmp_path / "control.sock"
    path.write_text("left behind by one that was killed")
    control = Control(path, answer)
    yield path
    control.close()


def test_a_request_is_answered_and_a_wrong_one_refused(place: Path) -> None:
    assert ask(place, {"do": "echo", "x": "a\nb"}) == {"told": {"do": "echo", "x": "a\nb"}}
    with pytest.raises(ControlError, match="expected echo"):
        ask(place, {"do": "other"})


def test_only_its_owner_may_open_it(place: Path) -> None:
    assert stat.S_IMODE(place.stat().st_mode) == 0o600


@pytest.mark.skipif(os.getuid() != 0, reason="needs root")
def test_somebody_else_is_refused_even_with_the_socket_open_to_him(place: Path) -> None:
    place.chmod(0o666)
    for directory in [*place.parents][:3]:
        directory.chmod(0o755)
    child = os.fork()
    if child == 0:
        os.setuid(65534)
        try:
            ask(place, {"do": "echo"})
        except ControlError as error:
            os._exit(0 if "may not ask" in str(error) else 1)
        os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("raw", [b"no json\n", b"[1]\n", b"\xff\xfe\n", b""])
def test_rubbish_is_answered_and_ends_nothing(place: Path, raw: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(place))
        client.sendall(raw)
        client.shutdown(socket.SHUT_WR)
        assert b'"ok": false' in client.makefile("rb").readline()
    assert ask(place, {"do": "echo"})


def test_nobody_there_is_said_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="systemctl status"):
        ask(tmp_path / "nothing", {"do": "status"})


def test_it_ends_at_once_and_does_nothing_until_then(tmp_path: Path) -> None:
    control = Control(tmp_path / "control.sock", lambda _: {})
    control.close()
    assert not control._thread.is_alive()
    with pytest.raises(ControlError, match="refused"):
        ask(tmp_path / "control.sock", {"do": "status"})
