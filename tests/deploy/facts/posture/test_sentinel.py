"""What the sentinel says of itself: asked at its socket, and silence is told apart from absence."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.facts.posture import sentinel as module
from deploy.facts.posture.sentinel import baseline, process, sentinel, status
from deploy.release.signature import BASELINE, RELEASE, allowed_signers, sign
from deploy.settings.release import ReleaseSettings


@pytest.fixture
def control(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A socket that answers what `says` holds; and the program is installed."""
    (tmp_path / "program").write_bytes(b"")
    monkeypatch.setattr(module, "_PROGRAM", str(tmp_path / "program"))
    monkeypatch.setattr(module, "_CONTROL", str(tmp_path / "control.sock"))
    monkeypatch.setattr(module, "_BASELINE", str(tmp_path / "baseline"))
    monkeypatch.setattr(module, "_PATIENCE_SECONDS", 0.3)
    said: dict[str, Any] = {"says": b'{"ok": true, "beat": 7.5}\n'}
    door = socket.socket(socket.AF_UNIX)
    door.bind(str(tmp_path / "control.sock"))
    door.listen()

    def serve() -> None:
        while True:
            try:
                wire, _ = door.accept()
            except OSError:
                return
            with wire:
                said["heard"] = wire.recv(1000)
                wire.sendall(said["says"])
                if said.get("hangs"):
                    threading.Event().wait(1)

    threading.Thread(target=serve, daemon=True).start()
    yield said
    door.shutdown(socket.SHUT_RDWR)
    door.close()


def test_it_is_asked_and_its_process_looked_at(control: dict[str, Any]) -> None:
    found = sentinel({"casemate-sentinel.service": {"main_pid": os.getpid()}})
    assert json.loads(control["heard"]) == {"do": "status"}
    assert (found["installed"], found["status"]["beat"], found["error"]) == (True, 7.5, None)
    assert len(found["process"]["capabilities"]) == 16
    assert found["baseline"] is None


@pytest.mark.parametrize("says", [b'{"ok": false, "error": "busy"}\n', b"nonsense\n", b"[]\n", b""])
def test_no_answer_is_an_error_and_no_status(control: dict[str, Any], says: bytes) -> None:
    control["says"] = says
    found = sentinel(None)
    assert found["status"] is None
    assert found["error"]


def test_one_that_is_frozen_does_not_hold_up_the_snapshot(control: dict[str, Any]) -> None:
    control.update(says=b'{"ok": true', hangs=True)
    assert "timed out" in sentinel(None)["error"]


def test_absence_is_told_apart_from_silence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PROGRAM", str(tmp_path / "none"))
    found = sentinel({})
    assert (found["installed"], found["status"]) == (False, None)
    with pytest.raises(OSError, match="No such file"):
        status(str(tmp_path / "none"))


def test_walls_are_read_from_the_kernel() -> None:
    child = subprocess.Popen(["setpriv", "--no-new-privs", "sleep", "10"])
    try:
        while b"sleep" not in Path(f"/proc/{child.pid}/cmdline").read_bytes().split(b"\0")[0]:
            pass
        assert process(child.pid)["no_new_privileges"] is True
        assert process(os.getpid())["no_new_privileges"] is False
    finally:
        child.kill()
        child.wait()


def test_a_signature_is_judged_anew_and_for_its_purpose(tmp_path: Path) -> None:
    settings = ReleaseSettings(model=tmp_path, model_name="micro", signing_key=tmp_path / "key")
    signers, stem = tmp_path / "allowed_signers", str(tmp_path / "baseline")
    signers.write_text(allowed_signers(settings) + "\n")
    document = b'{"schema":1,"sequence":3}'
    (tmp_path / "baseline.json").write_bytes(document)
    assert baseline(stem, str(signers)) == {"sequence": 3, "signed": False}
    (tmp_path / "baseline.sig").write_bytes(sign(document, settings, BASELINE))
    assert baseline(stem, str(signers)) == {"sequence": 3, "signed": True}
    (tmp_path / "baseline.sig").write_bytes(sign(document, settings, RELEASE))
    assert baseline(stem, str(signers)) == {"sequence": 3, "signed": False}
    assert baseline(str(tmp_path / "none"), str(signers)) is None
