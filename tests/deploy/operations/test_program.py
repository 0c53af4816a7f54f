"""A host program is the same bytes wherever it is made, and runs on a bare python3."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.operations.program import zipped
from deploy.paths import ROOT


def test_the_same_sources_are_the_same_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = zipped("release")
    monkeypatch.chdir(tmp_path)
    zipped.cache_clear()
    assert zipped("release") == first


@pytest.mark.parametrize("package", ["release", "ledger"])
def test_it_holds_its_own_package_and_runs_alone(package: str, tmp_path: Path) -> None:
    program = tmp_path / f"casemate-{package}"
    program.write_bytes(zipped(package))
    names = zipfile.ZipFile(program).namelist()
    assert {name for name in names if not name.startswith(f"service/{package}/")} == {
        "__main__.py",
        "service/__init__.py",
    }
    assert len(names) == len([*(ROOT / "service" / package).glob("**/*.py")]) + 2
    done = subprocess.run(
        [sys.executable, "-I", "-S", program, "--help"], cwd="/", capture_output=True, text=True, check=True
    )
    assert f"casemate-{package}" in done.stdout


def test_a_wrong_call_exits_with_2(tmp_path: Path) -> None:
    program = tmp_path / "casemate-release"
    program.write_bytes(zipped("release"))
    assert subprocess.run([sys.executable, program, "start", "nginx"], capture_output=True, check=False).returncode == 2
