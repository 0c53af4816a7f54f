"""Who asks for a compiled model where none can be made is told before anything is loaded: what, where, what next."""

import ctypes
import sysconfig
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch._inductor import cpp_builder, exc

from service.vision.engine.compiler import require, workshop
from service.vision.engine.loading import assemble
from service.vision.engine.protocol import EngineUnusable
from tests.service.vision.conftest import choices


def test_here_it_can() -> None:
    require("cpu")


def test_on_a_gpu(tmp_path: Path) -> None:
    """The model is not even looked for."""
    with pytest.raises(EngineUnusable, match=r"got cuda, .* next: unset CASEMATE_VISION_COMPILE"):
        assemble(replace(choices(tmp_path / "none"), device="cuda", compile=True))


def test_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise exc.InvalidCxxCompiler

    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", none)
    with pytest.raises(EngineUnusable, match=r"neither CXX nor PATH has one; next: install g\+\+"):
        require("cpu")


def test_with_a_broken_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpp_builder, "get_cpp_compiler", lambda: "false")
    with pytest.raises(EngineUnusable, match="false does not compile: it ended with 1; next: install"):
        require("cpu")


def test_without_the_headers_of_python(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    with pytest.raises(EngineUnusable, match=r"Python\.h: No such file or directory; next: install .*python3-dev"):
        require("cpu")


def test_where_nothing_can_be_written(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    with pytest.raises(EngineUnusable, match=r"No such file or directory: .*next: TMPDIR=DIRECTORY"):
        require("cpu")


def test_where_nothing_can_be_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a file system that is mounted noexec, the container's /tmp say."""

    def noexec(name: str) -> Any:
        raise OSError(f"{name}: failed to map segment from shared object")

    monkeypatch.setattr(ctypes, "CDLL", noexec)
    with pytest.raises(EngineUnusable, match=r"failed to map segment .*not mounted noexec"):
        require("cpu")


def test_a_workshop_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with workshop():
        (inside,) = tmp_path.iterdir()
        assert inside.stat().st_mode & 0o077 == 0
    assert not list(tmp_path.iterdir())
