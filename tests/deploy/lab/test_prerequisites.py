"""prerequisites.sh on a machine where it may not install: it says what is missing and what to type."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.paths import ROOT

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def prerequisites(tmp_path: Path) -> Run:
    """Run the script where there is no apt-get, and of other programs only those named."""

    def run(*arguments: str, programs: tuple[str, ...] = (), **environment: str) -> "subprocess.CompletedProcess[str]":
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in programs:
            (folder / name).symlink_to("/bin/true")
        (folder / "python3").symlink_to(sys.executable)
        bash = shutil.which("bash")
        assert bash
        return subprocess.run(
            [bash, ROOT / "deploy/lab/prerequisites.sh", *arguments],
            env={"PATH": str(folder), **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_it_names_every_package_that_is_missing_at_once(prerequisites: Run) -> None:
    done = prerequisites("test", programs=("zstd",), DOCKER_HOST="unix:///elsewhere")
    assert done.returncode == 1
    assert "lacks mmdebstrap openssh-client" in done.stderr
    assert "chromium" in done.stderr
    assert "zstd" not in done.stderr
    assert "Next: install them" in done.stderr


def test_with_everything_there_it_is_silent(prerequisites: Run) -> None:
    programs = ("mmdebstrap", "zstd", "ssh-keygen", "openssl", "nginx")
    done = prerequisites("lab", programs=programs, DOCKER_HOST="unix:///elsewhere")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_for_python_no_engine_is_asked_for(prerequisites: Run) -> None:
    assert prerequisites("python").returncode == 0


def test_an_old_python_is_refused(prerequisites: Run, tmp_path: Path) -> None:
    old = tmp_path / "python3.10"
    old.write_text("#!/bin/sh\necho 3.10.12 yes answers\n")
    old.chmod(0o755)
    done = prerequisites("python", PYTHON=str(old))
    assert done.returncode == 1
    assert "is 3.10.12, expected 3.11 or newer" in done.stderr


def test_an_unknown_word_is_a_usage_error(prerequisites: Run) -> None:
    assert prerequisites("everything").returncode == 2
