"""The root file system: what mmdebstrap is asked, and what is said where it cannot be."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.errors import CasemateError
from deploy.release.packing import EPOCH
from deploy.release.rootfs import root_file_system
from deploy.settings.release import ReleaseSettings

Settings = Callable[..., ReleaseSettings]


def quiet(line: str) -> None:
    del line


def test_it_is_made_once_at_a_fixed_time(mmdebstrap: Path, settings: Settings) -> None:
    first = root_file_system(settings(), quiet)
    epoch, *arguments = mmdebstrap.read_text().splitlines()
    assert epoch == str(EPOCH)
    assert {"--mode=root", "--variant=essential", "bookworm"} <= set(arguments)
    assert any("chmod ug-s" in argument for argument in arguments)
    mmdebstrap.unlink()
    assert root_file_system(settings(), quiet) == first
    assert not mmdebstrap.exists()


def test_another_mirror_is_another_root_file_system(mmdebstrap: Path, settings: Settings) -> None:
    root_file_system(settings(), quiet)
    root_file_system(settings(mirror="http://debian.invalid/debian"), quiet)
    assert mmdebstrap.read_text().splitlines()[-1] == "http://debian.invalid/debian"


def test_an_old_one_is_mentioned(mmdebstrap: Path, settings: Settings) -> None:
    path = root_file_system(settings(), quiet).path
    os.utime(path, (time.time(), time.time() - 40 * 86400))
    said: list[str] = []
    root_file_system(settings(), said.append)
    assert said == [f"the root file system is 40 days old; for Debian's updates since then: rm {path}"]


def test_without_mmdebstrap_it_says_what_to_install(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(CasemateError, match="mmdebstrap is missing") as error:
        root_file_system(settings(), quiet)
    assert error.value.next == "apt-get install mmdebstrap"


def test_without_root_it_says_so(mmdebstrap: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(CasemateError, match="needs root"):
        root_file_system(settings(), quiet)
    assert not mmdebstrap.exists()


def test_without_debians_keys_nothing_is_taken(
    mmdebstrap: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.release.rootfs._KEYRING", Path("/nonexistent"))
    with pytest.raises(CasemateError, match="could not be verified"):
        root_file_system(settings(), quiet)
    assert not mmdebstrap.exists()


def test_mmdebstraps_own_reason_is_passed_on(mmdebstrap: Path, settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "programs/mmdebstrap").write_text(
        "#!/bin/sh\necho 'E: Failed to fetch X' >&2\necho 'I: bye' >&2\nexit 1\n"
    )
    with pytest.raises(CasemateError, match="root file system: Failed to fetch X"):
        root_file_system(settings(), quiet)
