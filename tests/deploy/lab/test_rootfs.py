"""The root file system is made once, and when it cannot be made the reason is said."""

import os
from pathlib import Path

import pytest

from deploy.lab import rootfs
from deploy.lab.errors import LabError


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a PATH on which there is only what the test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("CASEMATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return folder


def mmdebstrap(folder: Path, ending: str) -> Path:
    """A stand-in that notes each call in the file that is returned, writes its output, and ends as told."""
    calls = folder / "calls"
    program = folder / "mmdebstrap"
    output = 'for output; do :; done\necho tar >"$output"'
    program.write_text(f'#!/bin/sh\necho called >>{calls}\n{output}\necho "E: no network" >&2\n{ending}\n')
    program.chmod(0o755)
    return calls


def test_it_is_made_once(tools: Path) -> None:
    calls, said = mmdebstrap(tools, "exit 0"), list[str]()
    path = rootfs.tar("bookworm", said.append)
    assert path.read_text() == "tar\n"
    assert rootfs.tar("bookworm", said.append) == path
    assert calls.read_text() == "called\n"
    assert len(said) == 1


def test_each_release_has_its_own(tools: Path) -> None:
    mmdebstrap(tools, "exit 0")
    assert rootfs.tar("bookworm", print) != rootfs.tar("trixie", print)


def test_a_failure_says_why_and_leaves_nothing(tools: Path, tmp_path: Path) -> None:
    mmdebstrap(tools, "exit 25")
    with pytest.raises(LabError, match="E: no network"):
        rootfs.tar("bookworm", print)
    assert [path.suffix for path in (tmp_path / "cache" / "lab").iterdir()] == [".lock"]


def test_without_mmdebstrap_it_says_what_installs_it(tools: Path) -> None:
    with pytest.raises(LabError) as raised:
        rootfs.tar("bookworm", print)
    assert "prerequisites.sh" in raised.value.next


def test_who_is_not_root_is_told_what_else_it_takes(tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mmdebstrap(tools, "exit 1")
    with pytest.raises(LabError) as raised:
        rootfs.tar("trixie", print)
    assert "uidmap" not in raised.value.next
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(LabError) as raised:
        rootfs.tar("trixie", print)
    assert "uidmap" in raised.value.next


def test_another_recipe_is_another_version(monkeypatch: pytest.MonkeyPatch) -> None:
    before = rootfs.version("bookworm")
    monkeypatch.setattr(rootfs, "_PACKAGES", "systemd")
    assert rootfs.version("bookworm") != before
